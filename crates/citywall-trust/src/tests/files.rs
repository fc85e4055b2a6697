//! Files of keys: who may read them, and links.

use std::os::unix::fs::{PermissionsExt, symlink};

use expect_test::expect;

use super::{Folder, NOW, Note, key, ring};
use crate::{Accept, Purpose, Serials, Signed, files};

#[test]
fn keys_are_kept_from_others() {
    let folder = Folder::new("keys");
    let path = folder.0.join("box.key");
    let made = files::new_key(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(files::load_key(&path).unwrap().public(), made.public());
    let mut told = String::new();
    let mut tell = |text: String| {
        told.push_str(&format!(
            "{}\n",
            text.replace(&folder.0.display().to_string(), "DIR")
        ))
    };
    tell(files::new_key(&path).unwrap_err().to_string());
    symlink(&path, folder.0.join("link")).unwrap();
    tell(files::load_key(&folder.0.join("link")).unwrap_err().to_string());
    tell(files::load_key(&folder.0).unwrap_err().to_string());
    tell(files::load_key(&folder.0.join("none")).unwrap_err().to_string());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    tell(files::load_key(&path).unwrap_err().to_string());
    std::fs::write(folder.0.join("ring"), "version = 1").unwrap();
    std::fs::set_permissions(folder.0.join("ring"), PermissionsExt::from_mode(0o666)).unwrap();
    tell(
        files::load_keyring(&folder.0.join("ring"))
            .unwrap_err()
            .to_string(),
    );
    std::fs::set_permissions(folder.0.join("ring"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(files::load_keyring(&folder.0.join("ring")).is_ok());
    expect![[r#"
        DIR/box.key: File exists (os error 17); name another file; nothing is ever written over a key
        DIR/link: it is a symbolic link, and whoever may change the link would choose the file; name the file itself
        DIR: it is no regular file; name a file
        DIR/none: No such file or directory (os error 2); make it, or name another file
        DIR/box.key: others may use this private key: its mode is 0640; chmod 600 DIR/box.key; and where others may have read it, make a new key
        DIR/ring: others may change whom this box believes: its mode is 0666; look through it, then chmod 644 DIR/ring
    "#]].assert_eq(&told);
}

#[test]
fn serials_are_written_whole() {
    let folder = Folder::new("serials");
    let path = folder.0.join("serials.json");
    let mut serials = files::load_serials(&path).unwrap();
    assert_eq!(serials, Serials::default());
    let note = Signed::sign(&Note("a/b".to_owned()), 3, NOW, None, &key(1)).unwrap();
    note.verify(&ring(&[(1, &[Purpose::Act])]), &mut serials, Accept::OnlyNew, NOW)
        .unwrap();
    files::save_serials(&path, &serials).unwrap();
    assert_eq!(files::load_serials(&path).unwrap(), serials);
    std::fs::write(&path, "{").unwrap();
    assert!(
        files::load_serials(&path).is_err(),
        "a damaged memory is no empty one"
    );
    assert_eq!(
        std::fs::read_dir(&folder.0).unwrap().count(),
        1,
        "nothing half-written is left"
    );
}
