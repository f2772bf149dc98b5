"""The rivals of `tongmai identity dedupe`, on the same generated file and with the same blocks.

    tongmai identity generate --records 1000000 --seed 5 --out people.csv
    pip install splink==5.0.0 recordlinkage==0.16 pypinyin
    python identity_rivals.py prepare people.csv people_pinyin.csv     # a column of pinyin; not measured
    python identity_rivals.py splink people_pinyin.csv
    python identity_rivals.py recordlinkage people_pinyin.csv

Prints processor seconds (all threads), seconds on the clock, the highest resident memory, and pair precision, recall
and F1 against the column `entity` at probability .5 and .95, with every true pair of the file in the denominator.

Blocks of both: identity number | insurance number | telephone | birth date with the sound of the family name | sound of
the name with year of birth and sex | address with sex.
"""

import csv
import resource
import sys
import time


def prepare(source, target):
    from pypinyin import lazy_pinyin

    with open(source, encoding="utf-8") as rows, open(target, "w", encoding="utf-8", newline="") as out:
        reader = csv.DictReader(rows)
        writer = csv.DictWriter(out, [*reader.fieldnames, "sound", "family_sound", "year"])
        writer.writeheader()
        for row in reader:
            sounds = lazy_pinyin(row["name"].replace(" ", ""))
            row["sound"] = "".join(sounds).lower()
            row["family_sound"] = sounds[0].lower() if sounds else ""
            row["year"] = row["dob"][:4]
            writer.writerow(row)


def report(label, begun, pairs, entities):
    """`pairs`: (left, right, probability)."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"{label}: {usage.ru_utime + usage.ru_stime:.1f} s processor, {time.time() - begun:.1f} s on the clock, "
        f"{usage.ru_maxrss / 1024:.0f} MB"
    )
    sizes = {}
    for entity in entities.values():
        sizes[entity] = sizes.get(entity, 0) + 1
    true = sum(n * (n - 1) // 2 for n in sizes.values())
    for least in (0.5, 0.95, 0.99):
        chosen = {(min(a, b), max(a, b)) for a, b, p in pairs if p >= least}
        hits = sum(entities[a] == entities[b] for a, b in chosen)
        precision, recall = hits / max(len(chosen), 1), hits / max(true, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        print(f"  p >= {least}: precision {precision:.5f}, recall {recall:.5f}, pair F1 {f1:.5f}")


def entities_of(path):
    with open(path, encoding="utf-8") as rows:
        return {row["rec_id"]: row["entity"] for row in csv.DictReader(rows)}


def splink(path):
    import duckdb
    import splink.comparison_level_library as levels
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    begun = time.time()
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute(
        f"CREATE TABLE people AS SELECT * FROM read_csv('{path}', all_varchar = true, nullstr = '', header = true)"
    )
    name = cl.CustomComparison(
        output_column_name="name",
        comparison_levels=[
            levels.NullLevel("name"),
            levels.ExactMatchLevel("name", term_frequency_adjustments=True),
            levels.ExactMatchLevel("sound"),
            levels.JaroWinklerLevel("sound", 0.92),
            levels.JaroWinklerLevel("sound", 0.8),
            levels.ElseLevel(),
        ],
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=[
            block_on("id_no"),
            block_on("mi_no"),
            block_on("phone"),
            block_on("dob", "family_sound"),
            block_on("sound", "year", "sex"),
            block_on("addr", "sex"),
        ],
        comparisons=[
            name,
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.DamerauLevenshteinAtThresholds("id_no", [1, 2]),
            cl.ExactMatch("mi_no"),
            cl.ExactMatch("phone"),
            cl.ExactMatch("addr"),
            cl.ExactMatch("sex"),
            cl.ExactMatch("mother"),
        ],
    )
    api = DuckDBAPI(connection=connection)
    try:
        linker = Linker("people", settings, api)
    except Exception:
        linker = Linker(api.register("people"), settings)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on("id_no"), block_on("mi_no")], recall=0.85)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
    # Blocks of equal numbers are small; `dob`, with forty records a day, costs ten times as much for the same weights.
    training.estimate_parameters_using_expectation_maximisation(block_on("mi_no"))
    training.estimate_parameters_using_expectation_maximisation(block_on("phone"))
    predictions = linker.inference.predict(threshold_match_probability=0.5)
    linker.clustering.cluster_pairwise_predictions_at_threshold(predictions, threshold_match_probability=0.95)
    pairs = connection.execute(
        f"SELECT rec_id_l, rec_id_r, match_probability FROM {predictions.physical_name}"
    ).fetchall()
    report("splink", begun, pairs, entities_of(path))


def recordlinkage(path):
    import numpy as np
    import pandas as pd
    import recordlinkage as rl

    begun = time.time()
    people = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("rec_id").replace("", np.nan)
    candidates = None
    for columns in (["id_no"], ["mi_no"], ["phone"], ["dob", "family_sound"], ["sound", "year", "sex"], ["addr", "sex"]):
        kept = people.dropna(subset=columns)
        found = rl.index.Block(columns).index(kept)
        candidates = found if candidates is None else candidates.union(found)
    compare = rl.Compare()
    compare.string("sound", "sound", method="jarowinkler", threshold=0.92, label="sound")
    compare.string("id_no", "id_no", method="damerau_levenshtein", threshold=0.88, label="id_no")
    for column in ("name", "dob", "mi_no", "phone", "addr", "sex", "mother"):
        compare.exact(column, column, label=column)
    vectors = compare.compute(candidates, people)
    classifier = rl.ECMClassifier()
    classifier.fit(vectors)
    probabilities = classifier.prob(vectors)
    pairs = [(a, b, p) for (a, b), p in probabilities[probabilities >= 0.5].items()]
    report("recordlinkage", begun, pairs, entities_of(path))


if __name__ == "__main__":
    {"prepare": prepare, "splink": splink, "recordlinkage": recordlinkage}[sys.argv[1]](*sys.argv[2:])
