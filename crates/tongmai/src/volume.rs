//! Whether a folder lies on an encrypted volume, as Linux tells it.

use std::path::Path;

/// What is known of the volume below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// dm-crypt (LUKS) is beneath it; the kernel's name of the mapping.
    Encrypted(String),
    /// It is a block device without encryption that the kernel knows of.
    Plain,
    /// It is no block device, or this is not Linux: the file system may encrypt by itself.
    Unknown,
}

/// Looks at the device below a folder, and at those below it.
pub fn below(folder: &Path) -> Volume {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let Ok(found) = std::fs::metadata(folder) else { return Volume::Unknown };
        let number = found.dev();
        let (major, minor) =
            (number >> 8 & 0xfff | number >> 32 & !0xfff, number & 0xff | number >> 12 & !0xff);
        device(&Path::new("/sys/dev/block").join(format!("{major}:{minor}")), 0)
    }
    #[cfg(not(target_os = "linux"))]
    Volume::Unknown
}

/// A device in `/sys`: a mapping says by its `dm/uuid` what made it, and `slaves` are the devices below it.
fn device(device: &Path, depth: usize) -> Volume {
    if !device.exists() || depth > 8 {
        return Volume::Unknown;
    }
    let uuid = std::fs::read_to_string(device.join("dm/uuid")).unwrap_or_default();
    if uuid.starts_with("CRYPT-") {
        return Volume::Encrypted(uuid.trim().to_owned());
    }
    let below = std::fs::read_dir(device.join("slaves")).into_iter().flatten().flatten();
    let mut found: Vec<Volume> = below.map(|slave| self::device(&slave.path(), depth + 1)).collect();
    // A mirror is encrypted when each of its halves is.
    match found.iter().all(|volume| matches!(volume, Volume::Encrypted(_))) {
        true => found.pop().unwrap_or(Volume::Plain),
        false => Volume::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_followed_down_to_the_encrypted_one() {
        let sys = tempfile::tempdir().expect("a folder");
        let make = |path: &str, uuid: Option<&str>| {
            let folder = sys.path().join(path);
            std::fs::create_dir_all(folder.join("slaves")).expect("made");
            if let Some(uuid) = uuid {
                std::fs::create_dir_all(folder.join("dm")).expect("made");
                std::fs::write(folder.join("dm/uuid"), uuid).expect("written");
            }
            folder
        };
        assert_eq!(device(&sys.path().join("none"), 0), Volume::Unknown);
        assert_eq!(device(&make("sda1", None), 0), Volume::Plain);
        let crypt = make("dm-0", Some("CRYPT-LUKS2-abc\n"));
        assert_eq!(device(&crypt, 0), Volume::Encrypted("CRYPT-LUKS2-abc".into()));
        // LVM over LUKS, and a mirror of which one half is plain.
        let volume = make("dm-1", Some("LVM-xyz"));
        make("dm-1/slaves/dm-0", Some("CRYPT-LUKS2-abc"));
        assert_eq!(device(&volume, 0), Volume::Encrypted("CRYPT-LUKS2-abc".into()));
        make("dm-1/slaves/sdb1", None);
        assert_eq!(device(&volume, 0), Volume::Plain);
    }
}
