//! The size classes of records (CH-42).

/// What content and padding fill together, in bytes.
const CLASSES: [usize; 17] =
    [64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 6_144, 8_192, 12_288, 16_384];

/// The smallest class that holds `content` bytes; none above 16,384.
pub(crate) fn class_of(content: usize) -> Option<usize> {
    CLASSES.get(CLASSES.partition_point(|class| *class < content)).copied()
}

/// Whether `padded` bytes are a class.
pub(crate) fn is_class(padded: usize) -> bool {
    CLASSES.binary_search(&padded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_holds_the_content() {
        assert_eq!(class_of(0), Some(64));
        assert_eq!(class_of(64), Some(64));
        assert_eq!(class_of(65), Some(96));
        assert_eq!(class_of(16_384), Some(16_384));
        assert_eq!(class_of(16_385), None);
        for size in 65..=16_384 {
            let class = class_of(size).unwrap();
            assert!(is_class(class) && class >= size && class * 2 <= size * 3, "{size}");
        }
    }
}
