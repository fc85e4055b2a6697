//! Connections: accepting them, TLS, and their bounds.
//!
//! Owns: the listening socket, how many connections there are at a time and how long they may be
//! silent, the box's own certificate. Does not own: what is said on them (`web`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_service::Service;

use crate::ConsoleError;
use crate::accounts::write_private;
use crate::web::Source;

/// Connections at a time.
const CONNECTIONS: usize = 2_560;
/// How long a request's head, or the next request, may take.
const HEAD: Duration = Duration::from_secs(20);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES: usize = 32 << 10;

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // No descriptors are left, or the peer went away: others may do better in a moment.
                log::debug!("console: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            match tls {
                None => speak(TokioIo::new(stream), peer.ip(), router).await,
                Some(tls) => secured(tls, stream, peer.ip(), router).await,
            }
        });
    }
}

async fn secured(tls: TlsAcceptor, stream: TcpStream, peer: IpAddr, router: Router) {
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        speak(TokioIo::new(stream), peer, router).await;
    }
}

async fn speak<S>(stream: S, peer: IpAddr, router: Router)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Source(peer));
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64);
    if let Err(error) = builder.serve_connection(stream, service).await {
        log::debug!("console: {peer}: {error}");
    }
}

/// TLS with the certificate and key of two files.
///
/// # Errors
/// Where they cannot be read or do not belong together.
pub fn tls_of_files(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ConsoleError> {
    let wrong = |file: &Path, error: String| ConsoleError::Certificate {
        file: file.display().to_string(),
        error,
    };
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_file_iter(certificate)
        .map_err(|e| wrong(certificate, e.to_string()))?
        .collect();
    let chain = chain.map_err(|e| wrong(certificate, e.to_string()))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, e.to_string()))?;
    acceptor(chain, key_der).map_err(|e| wrong(certificate, e))
}

/// TLS with a certificate of the box's own, made at the first start and kept in the folder.
///
/// # Errors
/// Where it cannot be made, kept or read.
pub fn tls_of_own(folder: Option<&Path>, names: &[String]) -> Result<TlsAcceptor, ConsoleError> {
    let failed = |error: String| ConsoleError::Certificate {
        file: "the console's own certificate".into(),
        error,
    };
    if let Some(folder) = folder {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        if !certificate.exists() || !key.exists() {
            let made = rcgen::generate_simple_self_signed(names).map_err(|e| failed(e.to_string()))?;
            write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
            write_private(&certificate, made.cert.pem().as_bytes())?;
        }
        return tls_of_files(&certificate, &key);
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| failed(e.to_string()))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|e| failed(e.to_owned()))?;
    acceptor(vec![made.cert.der().clone()], key).map_err(failed)
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| e.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Names that a console on this address is reached by: over loopback only those of loopback.
pub fn hosts(address: SocketAddr) -> Vec<String> {
    match address.ip() {
        ip if ip.is_loopback() => vec!["localhost".into(), "127.0.0.1".into(), "[::1]".into()],
        _ => Vec::new(),
    }
}
