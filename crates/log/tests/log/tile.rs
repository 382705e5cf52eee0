//! Tiles and bundles: the layout, writing in any rhythm, and finding what is damaged.

use proptest::prelude::*;
use quorate_log::proof::{ConsistencyProof, InclusionProof};
use quorate_log::tile::{
    Entries, EntryTooLong, InvalidTilePath, MAX_ENTRY_LEN, OpenError, TileError, TileHashes,
    TileKind, TilePath, TileWriter, VerifyTilesError, verify_tiles,
};
use quorate_log::tree::TreeHead;
use rstest::rstest;

use crate::fixture::{Files, append, entries, log_of, needed, tree};

#[rstest]
#[case("tile/entries/000", TileKind::Entries, 0, 256)]
#[case("tile/entries/001.p/44", TileKind::Entries, 1, 44)]
#[case("tile/0/x001/x234/067", TileKind::Hashes { level: 0 }, 1_234_067, 256)]
#[case("tile/63/999.p/255", TileKind::Hashes { level: 63 }, 999, 255)]
#[case("tile/2/x001/000.p/1", TileKind::Hashes { level: 2 }, 1000, 1)]
#[case(
    "tile/0/x018/x446/x744/x073/x709/x551/615",
    TileKind::Hashes { level: 0 },
    u64::MAX,
    256
)]
fn a_path_reads_as_what_it_was_written_for(
    #[case] text: &str,
    #[case] kind: TileKind,
    #[case] index: u64,
    #[case] width: u16,
) {
    let path = TilePath::new(kind, index, width).unwrap();
    assert_eq!(path.to_string(), text);
    assert_eq!(text.parse(), Ok(path));
}

#[rstest]
#[case::other_root("checkpoint")]
#[case::escape("tile/entries/../../etc/passwd")]
#[case::absolute("/tile/0/000")]
#[case::level_above_63("tile/64/000")]
#[case::level_with_zero("tile/00/000")]
#[case::short_group("tile/0/1")]
#[case::no_x("tile/0/001/234")]
#[case::x_on_the_last("tile/0/x001")]
#[case::leading_group_of_zeroes("tile/0/x000/001")]
#[case::width_0("tile/0/000.p/0")]
#[case::width_256("tile/0/000.p/256")]
#[case::width_with_zero("tile/0/000.p/01")]
#[case::sumdb_style("tile/8/0/000")]
#[case::too_large("tile/0/x018/x446/x744/x073/x709/x551/616")]
#[case::trailing_slash("tile/0/000/")]
fn what_is_not_a_path_is_refused(#[case] text: &str) {
    assert_eq!(text.parse::<TilePath>(), Err(InvalidTilePath));
}

#[test]
fn a_log_of_70000_entries_has_the_files_that_c2sp_names() {
    let (files, head) = log_of(70_000);
    let count = |prefix: &str, partial: bool| {
        files.keys().filter(|p| p.starts_with(prefix) && p.contains(".p/") == partial).count()
    };
    assert_eq!(count("tile/0/", false), 273);
    assert_eq!(count("tile/entries/", false), 273);
    assert_eq!(count("tile/1/", false), 1);
    let partial: Vec<_> = files.keys().filter(|path| path.contains(".p/")).collect();
    assert_eq!(
        partial,
        ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"]
    );
    assert_eq!(head, tree(70_000).head());
    verify_tiles(&files, head).unwrap();
}

#[test]
fn a_full_tile_replaces_partial_ones_and_files_come_bottom_up() {
    let mut writer = TileWriter::default();
    let append = writer.append(&entries(0..256)).unwrap();
    let paths: Vec<_> = append.write.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(append.obsolete, ["tile/entries/000.p", "tile/0/000.p"]);
    let append = writer.append(&entries(256..257)).unwrap();
    let paths: Vec<_> = append.write.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, ["tile/entries/001.p/1", "tile/0/001.p/1"]);
    assert!(writer.append::<Vec<u8>>(&[]).unwrap().write.is_empty());
}

#[test]
fn an_entry_may_be_empty_or_just_not_too_long() {
    let mut files = Files::new();
    let mut writer = TileWriter::default();
    let head = append(&mut files, &mut writer, &[vec![], vec![7; MAX_ENTRY_LEN]]);
    verify_tiles(&files, head).unwrap();
    let read: Vec<_> = Entries::new(&files, 2, 0..2).map(|entry| entry.unwrap().1.len()).collect();
    assert_eq!(read, [0, MAX_ENTRY_LEN]);

    let batch = [vec![1], vec![7; MAX_ENTRY_LEN + 1]];
    assert_eq!(writer.append(&batch), Err(EntryTooLong { len: MAX_ENTRY_LEN + 1 }));
    assert_eq!(writer.head(), head, "nothing of a refused batch is appended");
}

#[test]
fn entries_are_read_from_anywhere_to_anywhere() {
    let (files, _) = log_of(700);
    for range in [0..700, 0..0, 3..3, 255..257, 699..700, 256..512, 690..900, 700..800] {
        let read: Vec<_> = Entries::new(&files, 700, range.clone()).map(Result::unwrap).collect();
        let range = range.start..range.end.min(700);
        let expected: Vec<_> = range.clone().zip(entries(range)).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn proofs_from_tiles_are_those_from_memory() {
    let (files, head) = log_of(70_000);
    let tree = tree(70_000);
    for (index, size) in [(0, 70_000), (69_999, 70_000), (65_535, 70_000), (300, 301), (0, 1)] {
        let hashes = TileHashes::new(&files, head.size);
        let proof = InclusionProof::prove(&hashes, index, size).unwrap();
        assert_eq!(proof, InclusionProof::prove(&tree, index, size).unwrap());
    }
    for (older, newer) in [(1, 70_000), (65_536, 70_000), (69_999, 70_000), (300, 513)] {
        let hashes = TileHashes::new(&files, head.size);
        let proof = ConsistencyProof::prove(&hashes, older, newer).unwrap();
        assert_eq!(proof, ConsistencyProof::prove(&tree, older, newer).unwrap());
    }
}

#[test]
fn an_append_without_a_checkpoint_is_overwritten() {
    let (mut files, head) = log_of(300);
    // The append reached the files, its checkpoint was never signed.
    let mut lost = TileWriter::open(&files, head).unwrap();
    append(&mut files, &mut lost, &vec![b"lost".to_vec(); 400]);

    let mut writer = TileWriter::open(&files, head).unwrap();
    let head = append(&mut files, &mut writer, &entries(300..900));

    let (expected, expected_head) = log_of(900);
    assert_eq!(head, expected_head);
    assert_eq!(needed(&files, 900), needed(&expected, 900));
    verify_tiles(&files, head).unwrap();
}

/// At these sizes a tile, or one on the level above, has just become full, or has its first hash.
#[rstest]
fn a_log_goes_on_from_any_size_as_if_it_had_never_been_closed(
    #[values(1, 255, 256, 257, 512, 65_535, 65_536, 65_537)] size: u64,
) {
    let (mut files, head) = log_of(size);
    let mut writer = TileWriter::open(&files, head).unwrap();
    let head = append(&mut files, &mut writer, &entries(size..size + 300));

    let (expected, expected_head) = log_of(size + 300);
    assert_eq!(head, expected_head);
    assert!(needed(&files, size + 300) == expected, "{size}");
}

#[test]
fn a_writer_refuses_files_that_are_not_those_of_the_checkpoint() {
    let (files, head) = log_of(300);
    let (other_files, _) = {
        let mut files = Files::new();
        let mut batch = entries(0..300);
        batch[299] = b"other".to_vec();
        let head = append(&mut files, &mut TileWriter::default(), &batch);
        (files, head)
    };
    assert_eq!(
        TileWriter::open(&other_files, head).unwrap_err(),
        OpenError::OtherRoot { size: 300 }
    );

    let mut mixed = files.clone();
    let path = "tile/entries/001.p/44";
    mixed.insert(path.to_owned(), other_files[path].clone());
    let path: TilePath = path.parse().unwrap();
    assert_eq!(TileWriter::open(&mixed, head).unwrap_err(), OpenError::OtherEntries(path));

    let (older, _) = log_of(299);
    assert!(matches!(TileWriter::open(&older, head), Err(OpenError::Tile(TileError::Missing(_)))));
    assert!(TileWriter::open(&Files::new(), TreeHead::empty()).is_ok());
}

#[test]
fn every_missing_cut_or_changed_file_is_found() {
    let (files, head) = log_of(600);
    verify_tiles(&files, head).unwrap();
    for path in files.keys() {
        let mut missing = files.clone();
        missing.remove(path);
        assert_eq!(
            verify_tiles(&missing, head),
            Err(TileError::Missing(path.parse().unwrap()).into())
        );
        for bytes in [&files[path][1..], &[files[path].as_slice(), &[0]].concat()] {
            let mut damaged = files.clone();
            damaged.insert(path.clone(), bytes.to_vec());
            assert_eq!(
                verify_tiles(&damaged, head),
                Err(TileError::Malformed(path.parse().unwrap()).into()),
                "{path}"
            );
        }
        for position in [0, 1, 5, files[path].len() / 2, files[path].len() - 1] {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[position] ^= 0x10;
            assert!(verify_tiles(&changed, head).is_err(), "{path} at {position}");
        }
    }
    let other = TreeHead { root: tree(1).head().root, ..head };
    assert_eq!(verify_tiles(&files, other), Err(VerifyTilesError::OtherRoot));
}

#[test]
fn a_partial_file_that_is_gone_is_read_from_the_full_one() {
    let (mut files, head) = log_of(300);
    let mut writer = TileWriter::open(&files, head).unwrap();
    let later = append(&mut files, &mut writer, &entries(300..512));
    assert!(!files.contains_key("tile/0/001.p/44"), "the writer called it obsolete");

    verify_tiles(&files, head).unwrap();
    verify_tiles(&files, later).unwrap();
    let proof = InclusionProof::prove(&TileHashes::new(&files, 300), 299, 300).unwrap();
    proof.verify(quorate_log::leaf_hash(&entries(299..300)[0]), head).unwrap();
    assert_eq!(Entries::new(&files, 300, 0..300).filter(Result::is_ok).count(), 300);
    assert_eq!(TileWriter::open(&files, head).unwrap().head(), head);
}

#[test]
fn no_proof_is_made_from_a_tile_of_the_wrong_length() {
    let (files, _) = log_of(300);
    let path = "tile/0/001.p/44";
    for bytes in [&files[path][..31], &files[path][32..], &[files[path].as_slice(), &[0]].concat()]
    {
        let mut damaged = files.clone();
        damaged.insert(path.to_owned(), bytes.to_vec());
        assert_eq!(
            InclusionProof::prove(&TileHashes::new(&damaged, 300), 290, 300),
            Err(TileError::Malformed(path.parse().unwrap()).into())
        );
    }
}

#[test]
fn reading_entries_stops_at_the_first_error() {
    let (mut files, _) = log_of(700);
    files.remove("tile/entries/001");
    let read: Vec<_> = Entries::new(&files, 700, 0..700).collect();
    assert_eq!(read.len(), 257);
    assert!(matches!(read.last(), Some(Err(TileError::Missing(_)))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_files_do_not_depend_on_how_entries_were_batched(
        batches in prop::collection::vec(0u64..400, 0..8),
        reopened in any::<u8>(),
    ) {
        let mut files = Files::new();
        let mut writer = TileWriter::default();
        let mut size = 0;
        for (number, batch) in batches.iter().enumerate() {
            let head = append(&mut files, &mut writer, &entries(size..size + batch));
            size += batch;
            prop_assert_eq!(head, tree(size).head());
            if reopened >> number & 1 == 1 {
                writer = TileWriter::open(&files, head).unwrap();
            }
        }
        let (at_once, head) = log_of(size);
        prop_assert_eq!(needed(&files, size), at_once);
        prop_assert_eq!(verify_tiles(&files, head), Ok(()));
    }
}
