//! A Merkle tree that only grows: RFC 6962, section 2.1.
//!
//! The hash of a leaf is `H(0x00 ‖ data)`, of a node `H(0x01 ‖ left ‖ right)`; a tree of `n` leaves splits
//! at the largest power of two below `n`. H is SHA-256, or SM3 where the profile of the installation is the
//! national one (GB/T 32905).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;

/// A hash.
pub type Hash = [u8; 32];

/// Which hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Profile {
    /// SHA-256.
    #[default]
    #[serde(rename = "sha-256")]
    Sha256,
    /// SM3.
    #[serde(rename = "sm3")]
    Sm3,
}

impl Profile {
    /// The hash of parts, one after the other.
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        match self {
            Profile::Sha256 => {
                let mut hasher = Sha256::new();
                parts.iter().for_each(|part| hasher.update(part));
                hasher.finalize().into()
            }
            Profile::Sm3 => {
                let mut hasher = Sm3::new();
                parts.iter().for_each(|part| hasher.update(part));
                hasher.finalize().into()
            }
        }
    }

    /// The hash of a leaf.
    pub fn leaf(self, data: &[u8]) -> Hash {
        self.hash(&[&[0], data])
    }

    /// The hash of a node.
    pub fn node(self, left: &Hash, right: &Hash) -> Hash {
        self.hash(&[&[1], left, right])
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Sha256 => "sha-256",
            Profile::Sm3 => "sm3",
        }
    }
}

/// The tree, with the hashes of all its complete subtrees: 64 bytes a leaf.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    profile: Profile,
    /// `levels[k][i]` is the hash of the leaves from `i·2ᵏ` to `(i+1)·2ᵏ`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    pub fn new(profile: Profile) -> Tree {
        Tree { profile, levels: vec![Vec::new()] }
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// The hash function.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        let mut hash = leaf;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            let here = &self.levels[level];
            if here.len() % 2 == 1 {
                return;
            }
            hash = self.profile.node(&here[here.len() - 2], &here[here.len() - 1]);
            level += 1;
        }
    }

    /// The hash of a leaf.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The head of the first `size` leaves; `None` when there are fewer.
    pub fn root(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(self.profile.hash(&[])),
            size if size > self.size() => None,
            size => Some(self.range(0, size)),
        }
    }

    /// The hash of `count` leaves from `start`, which is a multiple of the power of two at or above `count`.
    fn range(&self, start: u64, count: u64) -> Hash {
        if count.is_power_of_two() {
            let level = count.trailing_zeros();
            return self.levels[level as usize][(start >> level) as usize];
        }
        let left = split(count);
        self.profile.node(&self.range(start, left), &self.range(start + left, count - left))
    }

    /// The audit path of a leaf in the tree of the first `size` leaves, from the leaf upwards.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut path, mut start, mut count) = (Vec::new(), 0, size);
        while count > 1 {
            let left = split(count);
            if index - start < left {
                path.push(self.range(start + left, count - left));
                count = left;
            } else {
                path.push(self.range(start, left));
                (start, count) = (start + left, count - left);
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that the tree of the first `size` leaves begins with that of the first `old`.
    pub fn consistency(&self, old: u64, size: u64) -> Option<Vec<Hash>> {
        if old == 0 || old > size || size > self.size() {
            return None;
        }
        let (mut proof, mut start, mut count, mut known) = (Vec::new(), 0, size, old);
        let mut whole = true;
        while known < count {
            let left = split(count);
            if known <= left {
                proof.push(self.range(start + left, count - left));
                count = left;
            } else {
                proof.push(self.range(start, left));
                (start, count, known, whole) = (start + left, count - left, known - left, false);
            }
        }
        if !whole {
            proof.push(self.range(start, count));
        }
        proof.reverse();
        Some(proof)
    }
}

/// The largest power of two below `count`, which is at least two.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Whether a path leads from a leaf to a head; RFC 9162, section 2.1.3.2.
pub fn includes(profile: Profile, leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for other in path {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            hash = profile.node(other, &hash);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            hash = profile.node(&hash, other);
        }
        place /= 2;
        last /= 2;
    }
    last == 0 && hash == *root
}

/// Whether a tree is an extension of an older one; RFC 9162, section 2.1.4.2.
pub fn extends(profile: Profile, old: u64, old_root: &Hash, size: u64, root: &Hash, proof: &[Hash]) -> bool {
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 || old > size {
        return false;
    }
    let mut proof = proof.iter();
    let (mut place, mut last) = (old - 1, size - 1);
    while place % 2 == 1 {
        place /= 2;
        last /= 2;
    }
    let first = if old.is_power_of_two() { Some(old_root) } else { proof.next() };
    let Some(first) = first else { return false };
    let (mut before, mut after) = (*first, *first);
    for other in proof {
        if last == 0 {
            return false;
        }
        if place % 2 == 1 || place == last {
            before = profile.node(other, &before);
            after = profile.node(other, &after);
            while place % 2 == 0 && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            after = profile.node(&after, other);
        }
        place /= 2;
        last /= 2;
    }
    last == 0 && before == *old_root && after == *root
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The leaves and heads of Certificate Transparency's reference tests (`merkletree/merkle_tree_test.cc`).
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const HEADS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn tree(profile: Profile, leaves: usize) -> Tree {
        let mut tree = Tree::new(profile);
        (0..leaves).for_each(|n| tree.push(profile.leaf(&n.to_be_bytes())));
        tree
    }

    #[test]
    fn heads_are_those_of_certificate_transparency() {
        let mut tree = Tree::new(Profile::Sha256);
        for (size, head) in HEADS.iter().enumerate() {
            assert_eq!(HEXLOWER.encode(&tree.root(size as u64).expect("a head")), *head, "{size}");
            if let Some(leaf) = LEAVES.get(size) {
                tree.push(Profile::Sha256.leaf(&HEXLOWER.decode(leaf.as_bytes()).expect("digits")));
            }
        }
    }

    #[test]
    fn every_leaf_is_proved_and_nothing_else() {
        for profile in [Profile::Sha256, Profile::Sm3] {
            let tree = tree(profile, 33);
            for size in 1..=33 {
                let root = tree.root(size).expect("a head");
                for index in 0..size {
                    let leaf = tree.leaf(index).expect("a leaf");
                    let path = tree.inclusion(index, size).expect("a path");
                    assert!(includes(profile, &leaf, index, size, &path, &root), "{index} of {size}");
                    let other = tree.leaf((index + 1) % 33).expect("a leaf");
                    assert!(!includes(profile, &other, index, size, &path, &root));
                    assert!(size == 1 || !includes(profile, &leaf, (index + 1) % size, size, &path, &root));
                    if let Some((_, shorter)) = path.split_last() {
                        assert!(!includes(profile, &leaf, index, size, shorter, &root));
                    }
                    let longer = [&path[..], &[root]].concat();
                    assert!(!includes(profile, &leaf, index, size, &longer, &root));
                }
            }
        }
    }

    #[test]
    fn every_extension_is_proved_and_no_fork() {
        let tree = tree(Profile::Sha256, 33);
        let mut fork = Tree::new(Profile::Sha256);
        for n in 0..33u64 {
            let data = if n == 4 { 99u64 } else { n };
            fork.push(Profile::Sha256.leaf(&(data as usize).to_be_bytes()));
        }
        for size in 1..=33 {
            for old in 1..=size {
                let (before, after) = (tree.root(old).expect("a head"), tree.root(size).expect("a head"));
                let proof = tree.consistency(old, size).expect("a proof");
                assert!(extends(Profile::Sha256, old, &before, size, &after, &proof), "{old} of {size}");
                let (forked, its) =
                    (fork.root(size).expect("a head"), fork.consistency(old, size).expect("one"));
                if size > 4 {
                    let accepted = extends(Profile::Sha256, old, &before, size, &forked, &its);
                    // A fork behind the old head is an extension of it: there is nothing to tell apart.
                    assert_eq!(accepted, old <= 4, "{old} of {size}");
                }
                if old < size {
                    assert!(!extends(Profile::Sha256, old, &after, size, &before, &proof));
                }
            }
        }
    }
}
