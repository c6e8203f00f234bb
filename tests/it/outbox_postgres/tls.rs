//! TLS to PostgreSQL: a real server with a certificate, and who is talked to under which `sslmode` and `store.caFile`.

use super::store::Store;
use crate::env::postgres::with_tls;
use gatepost::outbox::PostgresStore;
use gatepost::outbox::postgres::PostgresOptions;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An authority, and its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// Certificate and key of a server on 127.0.0.1.
    fn server(&self, folder: &Path) -> [PathBuf; 2] {
        let (mut params, key) = (CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap());
        params.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [folder.join("server.crt"), folder.join("server.key")];
        std::fs::write(&files[0], certificate.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }
}

/// Opens a store and closes it again.
async fn open(url: &str, mode: &str, ca_file: Option<&Path>) -> Result<(), String> {
    gatepost::egress::install_provider();
    let ca_file = ca_file.map(Path::to_owned);
    let options = PostgresOptions { ca_file, patience: Duration::ZERO, ..PostgresOptions::default() };
    match PostgresStore::open(&format!("{url}?sslmode={mode}"), options).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a_server_is_believed_only_with_a_certificate_of_the_named_authority_for_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (Authority::new(folder.path(), "right"), Authority::new(folder.path(), "wrong"));
    let [certificate, key] = right.server(folder.path());
    let server = with_tls(&certificate, &key).await;
    let url = server.database().await;

    assert_eq!(open(&url, "verify-full", Some(&right.file)).await, Ok(()));
    // Encrypted, whoever it is: what the mode says.
    assert_eq!(open(&url, "require", None).await, Ok(()));
    for (url, mode, authority, expected) in [
        (url.clone(), "verify-full", Some(&wrong.file), "certificate"),
        (url.clone(), "verify-ca", Some(&wrong.file), "certificate"),
        (url.clone(), "verify-full", None, "certificate"),
        // The certificate is for the address.
        (url.replace("127.0.0.1", "localhost"), "verify-full", Some(&right.file), "certificate"),
        (url.clone(), "disable", None, "no encryption"),
    ] {
        let told = open(&url, mode, authority.map(PathBuf::as_path)).await.unwrap_err();
        assert!(told.contains(expected), "{mode}: {told}");
        assert!(told.starts_with("failed to open the store postgres://postgres@"), "{told}");
    }
    assert_eq!(open(&url.replace("127.0.0.1", "localhost"), "verify-ca", Some(&right.file)).await, Ok(()));
}
