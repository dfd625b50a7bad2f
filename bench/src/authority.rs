//! A certificate authority that exists for one run, and the certificate of the stand-ins.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// Where Linux distributions have their root certificates: Debian, and Amazon Linux.
const ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The name in the certificate, and in the addresses of the doors.
pub(crate) const HOST: &str = "localhost";

/// Signs the certificate of the stand-ins.
#[derive(Debug)]
pub struct Authority {
    server: Arc<ServerConfig>,
    root: PathBuf,
    bundle: PathBuf,
}

impl Authority {
    /// Creates one, and writes its root certificate into the directory, alone and with those of the machine.
    ///
    /// If `resumes`, the server lets a client resume a session, as AWS does.
    pub fn create(directory: &Path, resumes: bool) -> Result<Self, Box<dyn Error>> {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than the leaf's: OpenSSL takes a certificate whose issuer has its own name as self-signed.
        root.distinguished_name.push(DnType::CommonName, "registrar-bench");
        let root = CertifiedIssuer::self_signed(root, key()?)?;
        let leaf_key = key()?;
        let leaf = CertificateParams::new([HOST.to_owned()])?.signed_by(&leaf_key, &root)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        // DynamoDB and SQS speak HTTP/1.1 only.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if !resumes {
            server.send_tls13_tickets = 0;
        }
        let certificate: &rcgen::Certificate = root.as_ref();
        let (root, bundle) = (directory.join("root.pem"), directory.join("roots.pem"));
        fs::write(&root, certificate.pem())?;
        fs::write(&bundle, machine_roots()? + &certificate.pem())?;
        Ok(Self { server: Arc::new(server), root, bundle })
    }

    /// The file with its root certificate alone, for a client that has the others built in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file with all root certificates, for a client that reads those of the machine at its start.
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }
}

/// RSA with 2048 bits, as the certificates of AWS's endpoints.
fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
}

fn machine_roots() -> io::Result<String> {
    let roots = ROOTS.iter().find_map(|path| fs::read_to_string(path).ok());
    roots.ok_or_else(|| io::Error::other(format!("no root certificates at {ROOTS:?}")))
}
