//! A WebSocket client over TLS that is told whom to trust and where to connect, whatever DNS says.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
};
use tungstenite::{Bytes, Message, WebSocket};

/// An open connection.
pub struct Client {
    socket: WebSocket<StreamOwned<ClientConnection, TcpStream>>,
}

impl Client {
    /// Connects to `wss://name/path` at `address`, trusting the certificates in the PEM file `trusted`: as issuers, or,
    /// for a self-signed one, as the very certificate the server must show.
    ///
    /// # Errors
    /// If the connection, the certificate's check or the upgrade fails.
    pub fn connect(address: SocketAddr, name: &str, path: &str, trusted: &Path) -> Result<Client> {
        let tcp = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        tcp.set_write_timeout(Some(Duration::from_secs(20)))?;
        let connection = ClientConnection::new(config(trusted)?, ServerName::try_from(name.to_string())?)?;
        let stream = StreamOwned::new(connection, tcp);
        match tungstenite::client(format!("wss://{name}{path}"), stream) {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(error) => bail!("wss://{name}{path} at {address}: {error}"),
        }
    }

    /// Sends a text and returns the text that comes back.
    ///
    /// # Errors
    /// If the connection fails or something else comes back.
    pub fn text(&mut self, text: &str) -> Result<String> {
        self.socket.send(Message::text(text))?;
        match self.next()? {
            Message::Text(back) => Ok(back.to_string()),
            other => bail!("sent a text, got {other:?}"),
        }
    }

    /// Sends bytes and returns the bytes that come back.
    ///
    /// # Errors
    /// As [`Client::text`].
    pub fn binary(&mut self, data: &[u8]) -> Result<Vec<u8>> {
        self.socket.send(Message::binary(data.to_vec()))?;
        match self.next()? {
            Message::Binary(back) => Ok(back.to_vec()),
            other => bail!("sent bytes, got {other:?}"),
        }
    }

    /// Sends a ping and waits for its pong.
    ///
    /// # Errors
    /// As [`Client::text`].
    pub fn ping(&mut self) -> Result<()> {
        let payload = Bytes::from_static(b"are you there");
        self.socket.send(Message::Ping(payload.clone()))?;
        let reply = self.socket.read()?;
        ensure!(reply == Message::Pong(payload), "sent a ping, got {reply:?}");
        Ok(())
    }

    fn next(&mut self) -> Result<Message> {
        loop {
            match self.socket.read()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Ok(message),
            }
        }
    }
}

fn config(trusted: &Path) -> Result<Arc<ClientConfig>> {
    let certificates = CertificateDer::pem_file_iter(trusted)
        .and_then(|all| all.collect::<Result<Vec<_>, _>>())
        .map_err(|e| anyhow::anyhow!("{}: {e}", trusted.display()))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).with_context(|| format!("{}", trusted.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let issuers =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let verifier = Arc::new(Verifier { certificates, issuers });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // A WebSocket upgrade is an HTTP/1.1 affair.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The usual checks, and besides them a server that shows exactly a trusted certificate: web PKI accepts no
/// self-signed certificate with the CA flag as a server's own.
#[derive(Debug)]
struct Verifier {
    certificates: Vec<CertificateDer<'static>>,
    issuers: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.iter().any(|c| c == own) {
            let parsed = rustls::server::ParsedCertificate::try_from(own)?;
            rustls::client::verify_server_name(&parsed, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.issuers.verify_server_cert(own, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.issuers.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.issuers.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issuers.supported_verify_schemes()
    }
}
