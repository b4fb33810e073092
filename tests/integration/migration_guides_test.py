"""The examples of the guides for those who come from elsewhere, run in their order: each must succeed, and what a guide
says of its answers must be true.
"""

import json
import os
import pathlib
import re
import shlex

from rpc_case import RpcCase, context, run

DOCS = pathlib.Path(os.environ["DIPTYCH_SOURCE_DIR"]) / "docs"


def commands(guide):
    """(RPC, request as a dictionary) of every grpcurl command in the code blocks of a guide."""
    found = []
    for block in re.findall(r"```\n(.*?)```", (DOCS / guide).read_text(), re.DOTALL):
        for command in re.split(r"^(?=grpcurl )", block.replace("\\\n", " "), flags=re.MULTILINE):
            if command.strip():
                words = shlex.split(command)
                found.append((words[-1], json.loads(words[words.index("-d") + 1])))
    return found


class GuideTest(RpcCase):
    def answers(self, guide):
        """The answers to the guide's commands, by the name of the RPC, in order."""
        from google.protobuf import json_format

        answers = {}
        asked = commands(guide)
        self.assertGreaterEqual(len(asked), 5)
        for name, request in asked:
            service, method = name.split("/")
            descriptor = context.stubs.services()[service][1].methods_by_name[method]
            message = getattr(context.stubs.module(descriptor.input_type.file.name.removesuffix(".proto")),
                              descriptor.input_type.name)()
            json_format.ParseDict(request, message)
            with self.subTest(name, request=request):
                stub = context.stubs.stub(service, self.storage)
                answers.setdefault(method, []).append(self.call(getattr(stub, method), message))
        return answers

    def test_chroma(self):
        answers = self.answers("coming_from_chroma.md")
        self.assertEqual(answers["InsertObjects"][0].ids, ["n1", "n2", "n3"])
        # "A red sofa" has no p.
        self.assertEqual([result.object.id for result in answers["Query"][0].results], ["n1"])
        listed = answers["ListObjects"][0].objects
        self.assertEqual([found.id for found in listed], ["n2", "n3"])
        self.assertTrue(listed[0].properties["read"].bool_value)
        self.assertNotIn("page", listed[0].properties)
        self.assertTrue(listed[0].vectors["default"].dense.values)
        self.assertEqual(answers["DeleteObjects"][0].deleted_count, 1)
        self.assertEqual([result.distance for result in answers["Query"][1].results], [0, 25])

    def test_weaviate(self):
        answers = self.answers("coming_from_weaviate.md")
        self.assertEqual(answers["UpsertObjects"][0].inserted_count, 3)
        self.assertEqual(len(answers["Query"][0].results), 2)
        self.assertNotIn("p1", [result.object.id for result in answers["Query"][1].results])
        for result in answers["Query"][1].results:
            self.assertGreaterEqual(result.certainty, 0.1)
        self.assertEqual([found.id for found in answers["ListObjects"][0].objects], ["p1"])
        self.assertEqual(list(answers["UpdateObjects"][0].missing_ids), [])


if __name__ == "__main__":
    run()
