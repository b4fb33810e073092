"""Asks the running services the gallery's questions through the command line and says whether the answers are right.

Called by quickstart.sh. The questions and their right answers come from the program that drew the pictures. The exit
status is 0 when at least 19 of 20 answers of each kind are right.
"""

import argparse
import json
import pathlib
import subprocess
import sys

RIGHT_SHARE_MIN = 0.95
CAPTIONS_MAX = 40
SHORT_QUERIES_MAX = 40
PICTURES_MAX = 20


def search(arguments, *query):
    """The ids found, nearest first."""
    command = [arguments.diptych, "--json", "search", "--collection", arguments.collection, "--top-k", "10", *query]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"quickstart: the search {query} failed: {done.stderr or done.stdout}")
    return [result["id"] for result in json.loads(done.stdout)["results"]]


def check_captions(arguments, questions):
    asked = questions["captions"][:CAPTIONS_MAX]
    return "a whole caption finds its picture", [
        search(arguments, "--text", question["query"])[:1] == [question["picture"]] for question in asked]


def check_short_queries(arguments, questions):
    answers = []
    for question in questions["short_queries"][:SHORT_QUERIES_MAX]:
        undecided = set(question["undecided"])
        decided = [name for name in search(arguments, "--text", question["query"]) if name not in undecided]
        answers.append(bool(decided) and decided[0] in question["right"])
    return "a short text finds a picture of which it is true", answers


def check_pictures(arguments, _):
    pictures = sorted(pathlib.Path(arguments.gallery).glob("*.png"))[:PICTURES_MAX]
    return "a picture finds itself first", [
        search(arguments, "--image", str(picture))[:1] == [picture.name] for picture in pictures]


def check_filter(arguments, _):
    found = search(arguments, "--text", "a star", "--filter", "colour == 'red'")
    properties = {path.stem + ".png": json.loads(path.read_text()) for path in
                  pathlib.Path(arguments.gallery).glob("*.json")}
    red = {name for name, values in properties.items() if values.get("colour") == "red"}
    return "a filter lets through what it should, and nothing is missing", [
        set(found) <= red and len(found) == min(10, len(red))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--diptych", required=True)
    parser.add_argument("--collection", required=True)
    parser.add_argument("--gallery", required=True)
    parser.add_argument("--queries", required=True)
    arguments = parser.parse_args()
    questions = json.loads(pathlib.Path(arguments.queries).read_text())
    all_right = True
    for check in (check_captions, check_short_queries, check_pictures, check_filter):
        title, answers = check(arguments, questions)
        right = sum(answers)
        enough = bool(answers) and right >= RIGHT_SHARE_MIN * len(answers)
        all_right = all_right and enough
        print(f"{'ok  ' if enough else 'FAIL'}  {title}: {right} of {len(answers)}")
    sys.exit(0 if all_right else 1)


if __name__ == "__main__":
    main()
