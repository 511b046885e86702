use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::Identity;
use h8lio_tls::spiffe::Subject;

use super::*;
use crate::pki::authority::Authority;

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("a folder"),
        }
    }

    fn request(&self) -> Init {
        Init {
            dir: self.root.path().join("lib/coordinator"),
            fleet: "prod".parse().expect("valid"),
            listen: "0.0.0.0:7443".parse().expect("valid"),
            advertise: vec!["c1.example.org:7443".into(), "[::1]:7443".into()],
            name: "c1".parse().expect("valid"),
            metrics: None,
            operator: "ada".parse().expect("valid"),
            context_out: self.root.path().join("ada.toml"),
        }
    }

    /// Every file below, with its mode.
    fn files(&self) -> Vec<(String, u32)> {
        fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
            for e in fs::read_dir(dir).expect("read") {
                let path = e.expect("entry").path();
                if path.is_dir() {
                    walk(&path, into);
                } else {
                    into.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.root.path(), &mut found);
        found.sort();
        let show = |p: PathBuf| {
            let mode = p.metadata().expect("there").permissions().mode() & 0o777;
            (
                p.strip_prefix(self.root.path())
                    .expect("below")
                    .display()
                    .to_string(),
                mode,
            )
        };
        found.into_iter().map(show).collect()
    }
}

#[test]
fn init_makes_everything_that_a_coordinator_needs_and_keeps_secrets_private() {
    let place = Place::new();
    let done = init(&place.request(), now()).expect("set up");
    let files: Vec<(String, u32)> = vec![
        ("ada.toml".into(), 0o600),
        ("lib/coordinator/bootstrap-operator.json".into(), 0o600),
        ("lib/coordinator/coordinator.toml".into(), 0o600),
        ("lib/coordinator/pki/issuing.crt".into(), 0o644),
        ("lib/coordinator/pki/issuing.key".into(), 0o600),
        ("lib/coordinator/pki/root.crt".into(), 0o644),
        ("lib/coordinator/pki/root.key".into(), 0o600),
    ];
    assert_eq!(place.files(), files);
    let settings = config::load(&done.config).expect("valid");
    let authority = Authority::load(&settings.pki, &settings.fleet).expect("loaded");
    assert_eq!(authority.pin(), done.pin);
    assert_eq!(settings.addresses(), place.request().advertise);
}

#[test]
fn the_first_operators_context_names_the_fleet_and_holds_an_admins_identity() {
    let place = Place::new();
    init(&place.request(), now()).expect("set up");
    let text = fs::read_to_string(place.root.path().join("ada.toml")).expect("read");
    let context: toml::Table = text.parse().expect("TOML");
    let pem = |key: &str| context[key].as_str().expect("text").as_bytes().to_vec();
    let identity = Identity::from_pem(&pem("certificate"), &pem("key")).expect("belongs together");
    let admin = Subject::Operator {
        name: "ada".parse().expect("valid"),
        role: OperatorRole::Admin,
    };
    assert_eq!(identity.spiffe().subject, admin);
    TrustBundle::from_pem(&pem("ca")).expect("a bundle");
    let mut keys: Vec<&String> = context.keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        ["addresses", "ca", "certificate", "fleet", "key", "name"]
    );

    let settings = config::load(&place.request().dir.join(CONFIG)).expect("valid");
    let known = bootstrap_operator(&settings)
        .expect("readable")
        .expect("there");
    assert_eq!(known.certificate_serial, identity.serial().to_string());
    assert_eq!(
        (known.role, known.expires_at),
        (OperatorRole::Admin, identity.validity().not_after)
    );
    forget_bootstrap_operator(&settings).expect("forgotten");
    forget_bootstrap_operator(&settings).expect("twice is harmless");
    assert_eq!(bootstrap_operator(&settings).expect("readable"), None);
}

#[test]
fn init_never_overwrites_a_folder_or_a_context() {
    let place = Place::new();
    init(&place.request(), now()).expect("set up");
    let before = fs::read(place.request().dir.join("pki/root.key")).expect("read");
    let mut again = place.request();
    again.context_out = place.root.path().join("other.toml");
    let refusal = init(&again, now()).expect_err("refused");
    assert!(matches!(refusal, InitError::NotEmpty { .. }), "{refusal}");
    assert_eq!(
        fs::read(again.dir.join("pki/root.key")).expect("read"),
        before
    );
    assert!(!again.context_out.exists());

    let mut elsewhere = place.request();
    elsewhere.dir = place.root.path().join("second");
    let refusal = init(&elsewhere, now()).expect_err("refused");
    assert!(
        matches!(refusal, InitError::ContextExists { .. }),
        "{refusal}"
    );
    assert!(!elsewhere.dir.exists());
}

#[test]
fn a_folder_with_something_foreign_is_left_alone() {
    let place = Place::new();
    let request = place.request();
    fs::create_dir_all(&request.dir).expect("made");
    fs::write(request.dir.join("photo.jpg"), b"x").expect("written");
    let refusal = init(&request, now()).expect_err("refused").to_string();
    assert!(refusal.contains("photo.jpg"), "{refusal}");
    assert_eq!(place.files(), [("lib/coordinator/photo.jpg".into(), 0o644)]);
}

#[test]
fn an_empty_folder_made_beforehand_is_used() {
    let place = Place::new();
    fs::create_dir_all(place.request().dir).expect("made");
    init(&place.request(), now()).expect("set up");
}

#[test]
fn when_the_context_cannot_be_written_nothing_is_left_behind() {
    let place = Place::new();
    let mut request = place.request();
    request.context_out = place.root.path().join("missing/ada.toml");
    init(&request, now()).expect_err("refused");
    assert_eq!(place.files(), []);
    init(&place.request(), now()).expect("set up at the second try");
}

#[test]
fn a_crash_at_any_moment_leaves_a_folder_that_init_can_finish() {
    let place = Place::new();
    init(&place.request(), now()).expect("set up");
    let dir = place.request().dir;
    // The moments before coordinator.toml is in place, from the last to the first.
    let moments: [&[&str]; 3] = [&[], &[BOOTSTRAP_OPERATOR], &[BOOTSTRAP_OPERATOR, "pki"]];
    for not_moved in moments {
        let work = dir.join(WORK);
        fs::create_dir(&work).expect("made");
        fs::rename(dir.join(CONFIG), work.join(CONFIG)).expect("moved back");
        for name in not_moved {
            fs::rename(dir.join(name), work.join(name)).expect("moved back");
        }
        fs::remove_file(place.request().context_out).expect("removed");
        init(&place.request(), now()).expect("set up anew");
        let settings = config::load(&dir.join(CONFIG)).expect("valid");
        Authority::load(&settings.pki, &settings.fleet).expect("whole");
        assert!(!work.exists());
    }
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_written() {
    let place = Place::new();
    let mut request = place.request();
    request.advertise.clear();
    let refusal = init(&request, now()).expect_err("refused");
    assert!(matches!(refusal, InitError::Settings(_)), "{refusal}");
    assert_eq!(place.files(), []);
}
