//! The listener in the middle (LA-43).

use lab::capture::Capture;
use lab::tap::{Marks, Tap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::clock_us;

/// Regression: connections went on after the tap that they passed through.
#[tokio::test]
async fn connections_end_with_their_tap() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tap = Tap::listen(server.local_addr().unwrap(), Marks::Countersign, Capture::new(clock_us));
    let tap = tap.await.unwrap();
    let mut client = TcpStream::connect(tap.address()).await.unwrap();
    let (mut far, _) = server.accept().await.unwrap();
    let frame = [1, 0, 0, 0, 0, 0, 1, 9];
    client.write_all(&frame).await.unwrap();
    let mut passed = [0; 8];
    far.read_exact(&mut passed).await.unwrap();
    assert_eq!(passed, frame);
    drop(tap);
    let mut rest = Vec::new();
    // In order or not, it is over.
    let _ = client.read_to_end(&mut rest).await;
    let _ = far.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
