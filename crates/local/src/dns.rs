//! The TXT record that names the active Region, answered over DNS as Route 53 would.
//!
//! Over UDP and TCP, on 127.0.0.1, for this one name; every other name does not exist.

use std::sync::Arc;

use anyhow::Context;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// The longest query that is read over TCP; real ones have well under 100 bytes.
const LONGEST_QUERY: u16 = 4096;

/// Gives the record's text at the moment of the question; `None` while there is no record.
pub type ActiveText = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The sockets, bound and not yet served.
pub struct Dns {
    udp: UdpSocket,
    tcp: TcpListener,
    record: TxtRecord,
}

/// The one record that there is.
#[derive(Clone)]
pub struct TxtRecord {
    name: Name,
    ttl_seconds: u32,
    text: ActiveText,
}

impl TxtRecord {
    /// The record of this name, whose answers may be cached for so long.
    ///
    /// # Errors
    /// The name is no DNS name.
    pub fn new(name: &str, ttl_seconds: u32, text: ActiveText) -> anyhow::Result<Self> {
        let mut parsed = Name::from_ascii(name).with_context(|| format!("{name:?} is no DNS name"))?;
        parsed.set_fqdn(true);
        Ok(Self { name: parsed, ttl_seconds, text })
    }
}

impl Dns {
    /// Binds both sockets.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn bind(port: u16, record: TxtRecord) -> anyhow::Result<Self> {
        let taken = || format!("port {port} (DNS) is taken: choose another with --dns-port");
        let udp = UdpSocket::bind(("127.0.0.1", port)).await.with_context(taken)?;
        let tcp = TcpListener::bind(("127.0.0.1", port)).await.with_context(taken)?;
        Ok(Self { udp, tcp, record })
    }

    /// Answers until the task is dropped.
    pub async fn serve(self) {
        let Self { udp, tcp, record } = self;
        tokio::join!(serve_udp(&udp, &record), serve_tcp(tcp, &record));
    }
}

async fn serve_udp(socket: &UdpSocket, record: &TxtRecord) {
    let mut buffer = [0; 1500];
    loop {
        // An error here is about an earlier answer that could not be delivered (its asker is gone).
        let Ok((length, asker)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = answer(&buffer[..length], record) {
            let _asker_gone = socket.send_to(&answer, asker).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, record: &TxtRecord) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: nothing to do but wait.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let record = record.clone();
        tokio::spawn(async move {
            let patience = std::time::Duration::from_secs(5);
            let _asker_gone = tokio::time::timeout(patience, answer_tcp(stream, &record)).await;
        });
    }
}

/// One question on one connection; the length goes before each message.
async fn answer_tcp(mut stream: TcpStream, record: &TxtRecord) -> std::io::Result<()> {
    let length = stream.read_u16().await?.min(LONGEST_QUERY);
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await?;
    if let Some(answer) = answer(&query, record)
        && let Ok(length) = u16::try_from(answer.len())
    {
        stream.write_u16(length).await?;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

/// The answer to a query; `None` if it is none, and best left without an answer.
fn answer(query: &[u8], record: &TxtRecord) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    if query.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.authoritative = true;
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.add_queries(query.queries.iter().cloned());
    answer.metadata.response_code = match (query.metadata.op_code, &query.queries[..]) {
        (OpCode::Query, [question]) if *question.name() == record.name => match (record.text)() {
            Some(text) => {
                if matches!(question.query_type(), RecordType::TXT | RecordType::ANY) {
                    let data = RData::TXT(TXT::new(vec![text]));
                    // The name as it was asked: resolvers that vary its letters' case compare.
                    answer.add_answer(Record::from_rdata(question.name().clone(), record.ttl_seconds, data));
                }
                ResponseCode::NoError
            }
            None => ResponseCode::NXDomain,
        },
        (OpCode::Query, [_]) => ResponseCode::NXDomain,
        (OpCode::Query, _) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    answer.to_vec().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use hickory_proto::op::Query;

    const RECORD: &str = "active.tandem-local.internal.";

    fn record(text: Option<&str>) -> TxtRecord {
        let text = text.map(str::to_owned);
        TxtRecord::new(RECORD, 10, Arc::new(move || text.clone())).unwrap()
    }

    fn ask(name: &str, kind: RecordType, text: Option<&str>) -> Message {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let answer = answer(&query.to_vec().unwrap(), &record(text)).unwrap();
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.metadata.id, query.metadata.id);
        answer
    }

    #[test]
    fn the_record_answers_with_the_active_region_and_may_be_cached_for_its_ttl() {
        let answer = ask("Active.tandem-LOCAL.internal.", RecordType::TXT, Some("us-west-2"));
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert_eq!(answer.answers.len(), 1);
        assert_eq!(answer.answers[0].ttl, 10);
        assert_eq!(answer.answers[0].data.to_string(), "us-west-2");
    }

    #[test]
    fn another_name_does_not_exist_and_neither_does_a_record_without_text() {
        let other = ask("other.tandem-local.internal.", RecordType::TXT, Some("us-west-2"));
        assert_eq!(other.metadata.response_code, ResponseCode::NXDomain);
        let none = ask(RECORD, RecordType::TXT, None);
        assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn another_type_of_the_record_exists_without_data() {
        let answer = ask(RECORD, RecordType::A, Some("us-west-2"));
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0));
    }

    #[test]
    fn what_is_no_query_gets_no_answer() {
        assert_eq!(answer(b"nonsense", &record(Some("x"))), None);
        let response = Message::response(1, OpCode::Query).to_vec().unwrap();
        assert_eq!(answer(&response, &record(Some("x"))), None);
    }
}
