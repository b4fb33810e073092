#include "cli/commands/command_line.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/output/json_value.h"
#include "cli/testing/fake_storage_server.h"
#include "cli/testing/sample_files.h"
#include "cli/testing/skipping_clock.h"
#include "common/status/error_details.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    variables_["XDG_STATE_HOME"] = state_.path().native();
    variables_["DIPTYCH_SERVER"] = server_.address();
  }

  int Run(const std::vector<std::string>& arguments,
          const std::string& input = "", bool terminal = false) {
    out_.str("");
    err_.str("");
    std::istringstream in(input);
    Environment environment;
    environment.out = &out_;
    environment.err = &err_;
    environment.in = &in;
    environment.in_is_terminal = terminal;
    environment.variable =
        [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    environment.clock = &clock_;
    return RunCommandLine(arguments, environment);
  }
  Json Out() {
    return Json::parse(out_.str(), nullptr, /*allow_exceptions=*/false);
  }
  Json Err() {
    return Json::parse(err_.str(), nullptr, /*allow_exceptions=*/false);
  }
  void Add(const std::string& name, const std::string& bytes) {
    WriteFile(pictures_.path() / name, bytes);
  }
  int Import(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"import", pictures_.path().native(),
                                          "-c", "gallery", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  FakeStorageServer server_;
  TempDirectory state_;
  TempDirectory pictures_;
  SkippingClock clock_;
  std::map<std::string, std::string> variables_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandLineTest, CollectionIsCreatedListedShownAndDeleted) {
  EXPECT_EQ(Run({"collection", "create", "books", "--metric", "l2",
                 "--text-field", "title=2", "--metadata", "year=2024"}),
            0);
  EXPECT_EQ(Run({"collection", "create", "art"}), 0);
  EXPECT_EQ(Run({"collection", "list", "--json"}), 0);
  ASSERT_THAT(Out()["collections"], SizeIs(2));
  EXPECT_EQ(Out()["collections"][0]["name"], "art");
  EXPECT_EQ(Run({"--json", "collection", "get", "books"}), 0);
  const Json books = Out();
  EXPECT_EQ(books["vector_spaces"][0]["metric"], "l2");
  EXPECT_EQ(books["vector_spaces"][0]["vectorizer"]["text_fields"].dump(),
            "[{\"property\":\"title\",\"weight\":2.0}]");
  EXPECT_EQ(books["metadata"]["year"], 2024);
  EXPECT_EQ(Run({"collection", "delete", "books", "--yes"}), 0);
  EXPECT_THAT(server_.CollectionNames(), ElementsAre("art"));
}

TEST_F(CommandLineTest, PlainCollectionLeavesTheSettingsToTheServer) {
  EXPECT_EQ(Run({"collection", "create", "plain", "--json"}), 0);
  EXPECT_THAT(Out()["vector_spaces"], IsEmpty());
  EXPECT_EQ(Run({"collection", "create", "own", "--no-vectorizer",
                 "--dimension", "3", "--json"}),
            0);
  EXPECT_TRUE(Out()["vector_spaces"][0]["vectorizer"].is_null());
  EXPECT_EQ(Out()["vector_spaces"][0]["dimension"], 3);
}

TEST_F(CommandLineTest, DeletingAsksAndDoesNothingWithoutYes) {
  ASSERT_EQ(Run({"collection", "create", "art"}), 0);
  EXPECT_EQ(Run({"collection", "delete", "art"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("add --yes"));
  EXPECT_EQ(Run({"collection", "delete", "art"}, "no\n", true), 1);
  EXPECT_THAT(err_.str(), HasSubstr("Delete collection art with 0 objects?"));
  EXPECT_THAT(server_.CollectionNames(), SizeIs(1));
  EXPECT_EQ(Run({"collection", "delete", "art"}, "y\n", true), 0);
  EXPECT_THAT(server_.CollectionNames(), IsEmpty());
}

TEST_F(CommandLineTest, ExistingCollectionGetsAHint) {
  ASSERT_EQ(Run({"collection", "create", "art"}), 0);
  EXPECT_EQ(Run({"collection", "create", "art"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--get-or-create"));
  EXPECT_EQ(Run({"collection", "create", "art", "--get-or-create"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("found collection art"));
}

TEST_F(CommandLineTest, ImportMakesTheCollectionAndSendsTypedObjects) {
  Add("cats/tom.png", PngBytes("tom"));
  Add("cats/tom.json", "{\"year\": 1940}");
  Add("note.txt", "hello");
  EXPECT_EQ(Import(), 0) << err_.str();
  EXPECT_EQ(Out()["imported"], 2);
  const auto objects = server_.Objects("gallery");
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects.at("cats/tom.png").properties().at("year").integer_value(),
            1940);
  EXPECT_EQ(objects.at("note.txt").properties().at("document").text_value(),
            "hello");
}

TEST_F(CommandLineTest, SecondImportSendsOnlyWhatIsNewOrChanged) {
  Add("a.txt", "one");
  Add("b.txt", "two");
  ASSERT_EQ(Import(), 0);
  Add("b.txt", "changed");
  Add("c.txt", "new");
  EXPECT_EQ(Import(), 0);
  EXPECT_EQ(Out()["imported"], 2);
  EXPECT_EQ(Out()["unchanged"], 1);
  EXPECT_EQ(server_.received(), 4);
  EXPECT_EQ(Import({"--no-resume"}), 0);
  EXPECT_EQ(Out()["imported"], 3);
}

TEST_F(CommandLineTest, CollectionMadeAgainIsFilledAgain) {
  Add("a.txt", "one");
  ASSERT_EQ(Import(), 0);
  server_.RecreateCollection("gallery");
  EXPECT_EQ(Import(), 0);
  EXPECT_EQ(Out()["imported"], 1);
  EXPECT_THAT(server_.Objects("gallery"), SizeIs(1));
}

TEST_F(CommandLineTest, BrokenFilesAreSkippedNamedAndTriedAgainNextTime) {
  Add("bad.png", "no picture");
  Add("cut.png", PngBytes("cut"));
  Add("good.png", PngBytes("good"));
  server_.RefuseId("cut.png");
  EXPECT_EQ(Import(), 2);
  EXPECT_EQ(Out()["imported"], 1);
  ASSERT_THAT(Out()["skipped"], SizeIs(2));
  EXPECT_EQ(Out()["skipped"][0]["file"], "bad.png");
  EXPECT_EQ(Out()["skipped"][1]["file"], "cut.png");
  EXPECT_EQ(Out()["skipped"][1]["reason"],
            "properties[\"image\"] is truncated");
  EXPECT_EQ(Import(), 2);
  EXPECT_EQ(Out()["unchanged"], 1);
  EXPECT_THAT(Out()["skipped"], SizeIs(2));
}

TEST_F(CommandLineTest, BusyServerIsAskedAgain) {
  Add("a.txt", "one");
  server_.AnswerChunks(
      {WithRetryAfter(absl::ResourceExhaustedError("queue is full"),
                      absl::Seconds(90)),
       absl::UnavailableError("inference service is down")});
  const absl::Time start = clock_.Now();
  EXPECT_EQ(Import(), 0) << err_.str();
  EXPECT_GE(clock_.Now() - start, absl::Seconds(90));
  EXPECT_THAT(server_.Objects("gallery"), SizeIs(1));
}

TEST_F(CommandLineTest, FailedImportSaysHowToGoOnAndPrintsNoResult) {
  Add("a.txt", "one");
  server_.AnswerChunks({absl::FailedPreconditionError("another model")});
  EXPECT_EQ(Import(), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Err()["error"]["code"], "FAILED_PRECONDITION");
  EXPECT_THAT(Err()["error"]["hint"].dump(), HasSubstr("goes on where"));
}

TEST_F(CommandLineTest, AttemptsAreLimited) {
  Add("a.txt", "one");
  server_.AnswerChunks({absl::UnavailableError("down"),
                         absl::UnavailableError("down"), absl::OkStatus()});
  EXPECT_EQ(Import({"--attempts", "2"}), 1);
  EXPECT_EQ(Err()["error"]["message"], "gave up after 2 attempts: down");
  EXPECT_EQ(Import(), 0);
}

TEST_F(CommandLineTest, ImportOfNothingMakesNoCollection) {
  EXPECT_EQ(Import(), 0);
  EXPECT_THAT(server_.CollectionNames(), IsEmpty());
  EXPECT_EQ(Run({"import", "/nonexistent", "-c", "gallery"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("there is no directory"));
}

TEST_F(CommandLineTest, SearchPrintsATableWithTheTellingProperties) {
  Add("a.txt", "one");
  Add("b.txt", "two");
  ASSERT_EQ(Import(), 0);
  EXPECT_EQ(Run({"search", "-c", "gallery", "--text", "x", "--properties",
                 "document"}),
            0);
  EXPECT_EQ(out_.str(),
            "rank  id     distance  certainty  document\n"
            "   1  a.txt    0.0000     1.0000  one\n"
            "   2  b.txt    0.1000     0.9500  two\n");
}

TEST_F(CommandLineTest, SeveralPropertiesAreSeparatedByCommas) {
  Add("a.txt", "one");
  ASSERT_EQ(Import(), 0);
  EXPECT_EQ(Run({"search", "-c", "gallery", "--text", "x", "--properties",
                 "document,file_name"}),
            0);
  EXPECT_EQ(out_.str(),
            "rank  id     distance  certainty  document  file_name\n"
            "   1  a.txt    0.0000     1.0000  one       a.txt\n");
  EXPECT_EQ(Run({"get", "-c", "gallery", "--properties", "document,file_name",
                 "a.txt"}),
            0);
}

TEST_F(CommandLineTest, SearchSendsWhatItWasGiven) {
  Add("q.png", PngBytes("q"));
  ASSERT_EQ(Import(), 0);
  const std::vector<std::string> base = {"search", "-c", "gallery", "--json"};
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    EXPECT_EQ(Run(more), 0) << err_.str();
    return server_.last_query();
  };
  const auto text =
      run({"--text", "a red circle", "--filter", "year > 3", "--top-k", "5",
           "--offset", "2", "--max-distance", "0.5", "--exact"});
  EXPECT_EQ(text.near_text().concepts(0), "a red circle");
  EXPECT_EQ(text.filter_expression(), "year > 3");
  EXPECT_EQ(text.top_k(), 5);
  EXPECT_EQ(text.offset(), 2);
  EXPECT_EQ(text.max_distance(), 0.5);
  EXPECT_FALSE(text.has_min_certainty());
  EXPECT_TRUE(text.exact());
  EXPECT_EQ(Out()["results"][0]["rank"], 3);
  EXPECT_EQ(run({"--image", pictures_.File("q.png")}).near_image().image(),
            PngBytes("q"));
  EXPECT_EQ(run({"--id", "q.png"}).near_object().id(), "q.png");
  EXPECT_EQ(
      run({"--vector", "[1, 2.5]"}).near_vector().vector().dense().values(1),
      2.5f);
}

TEST_F(CommandLineTest, SearchFusesWordsAndVectors) {
  Add("q.png", PngBytes("q"));
  ASSERT_EQ(Import(), 0);
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"search", "-c", "gallery", "--json"});
    EXPECT_EQ(Run(more), 0) << err_.str();
    return server_.last_query();
  };
  const auto words =
      run({"--keyword", "red sofa", "--keyword-properties", "title^2,caption"});
  EXPECT_EQ(words.keyword().text(), "red sofa");
  EXPECT_EQ(words.keyword().properties(0), "title");
  EXPECT_EQ(words.keyword().properties(1), "caption");
  EXPECT_EQ(words.keyword().boosts().at("title"), 2);
  EXPECT_EQ(words.keyword().boosts_size(), 1);

  const auto hybrid = run({"--hybrid", "red sofa", "--vector-space", "title"});
  EXPECT_EQ(hybrid.fusion().method(),
            storage::v1::FUSION_METHOD_RELATIVE_SCORE);
  ASSERT_EQ(hybrid.fusion().parts_size(), 2);
  EXPECT_EQ(hybrid.fusion().parts(0).near_text().concepts(0), "red sofa");
  EXPECT_EQ(hybrid.fusion().parts(0).vector_space(), "title");
  EXPECT_EQ(hybrid.fusion().parts(0).weight(), 0.75);
  EXPECT_EQ(hybrid.fusion().parts(1).keyword().text(), "red sofa");
  EXPECT_EQ(hybrid.fusion().parts(1).weight(), 0.25);
  EXPECT_TRUE(hybrid.vector_space().empty());

  const auto mixed = run({"--id", "a", "--keyword", "sofa", "--alpha", "0.5",
                          "--fusion", "reciprocal-rank"});
  EXPECT_EQ(mixed.fusion().method(),
            storage::v1::FUSION_METHOD_RECIPROCAL_RANK);
  EXPECT_EQ(mixed.fusion().parts(0).near_object().id(), "a");
  EXPECT_EQ(mixed.fusion().parts(1).keyword().text(), "sofa");
  // All of one is the one alone.
  EXPECT_EQ(run({"--hybrid", "x", "--alpha", "0"}).keyword().text(), "x");
  EXPECT_EQ(run({"--hybrid", "x", "--alpha", "1"}).near_text().concepts(0),
            "x");
  EXPECT_EQ(Run({"search", "-c", "gallery", "--hybrid", "a", "--text", "b"}),
            1);
  EXPECT_EQ(Run({"search", "-c", "gallery", "--keyword", "a",
                 "--keyword-properties", "title^much"}),
            1);
}

TEST_F(CommandLineTest, SearchWantsExactlyOneQuery) {
  EXPECT_EQ(Run({"search", "-c", "gallery"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("give one of --text"));
  EXPECT_EQ(Run({"search", "-c", "gallery", "--text", "a", "--id", "b"}), 1);
  EXPECT_EQ(Run({"search", "-c", "gallery", "--vector", "[1, \"a\"]"}), 1);
  EXPECT_EQ(Run({"search", "-c", "gallery", "--image", "/nonexistent.png"}), 1);
}

TEST_F(CommandLineTest, ErrorsOfTheServerArriveWhole) {
  server_.AnswerQueries(InvalidField("filter_expression", "ends too early"));
  EXPECT_EQ(Run({"search", "-c", "g", "--text", "a", "--json"}), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Err()["error"]["fields"][0]["field"], "filter_expression");
  server_.AnswerQueries(
      absl::UnavailableError("the inference service is down"));
  EXPECT_EQ(Run({"search", "-c", "g", "--text", "a"}), 1);
  // The storage service did answer.
  EXPECT_THAT(err_.str(), Not(HasSubstr("no storage service")));
}

TEST_F(CommandLineTest, UnknownCollectionGetsAHint) {
  EXPECT_EQ(Run({"count", "-c", "nothing"}), 1);
  EXPECT_THAT(err_.str(),
              HasSubstr("error: not found: collection \"nothing\""));
  EXPECT_THAT(err_.str(), HasSubstr("diptych collection list"));
}

TEST_F(CommandLineTest, ServerThatIsNotThereIsNamedWithAdvice) {
  // Nobody listens on port 1.
  EXPECT_EQ(Run({"--server", "127.0.0.1:1", "info"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no storage service answers at "
                                    "127.0.0.1:1"));
  EXPECT_THAT(err_.str(), HasSubstr("storage-server --listen 127.0.0.1:1"));
}

TEST_F(CommandLineTest, ObjectsAreShownListedCountedAndDeleted) {
  Add("a.png", PngBytes("a"));
  Add("b.txt", "two");
  ASSERT_EQ(Import(), 0);
  EXPECT_EQ(Run({"get", "-c", "gallery", "b.txt"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("document   two"));
  EXPECT_EQ(Run({"get", "-c", "gallery", "b.txt", "none", "--json"}), 1);
  EXPECT_EQ(Out()["missing_ids"].dump(), "[\"none\"]");
  EXPECT_EQ(Run({"list", "-c", "gallery", "--json"}), 0);
  EXPECT_THAT(Out()["objects"], SizeIs(2));
  EXPECT_EQ(Run({"list", "-c", "gallery", "--limit", "1", "--json"}), 0);
  EXPECT_THAT(Out()["objects"], SizeIs(1));
  EXPECT_EQ(Out()["more"], true);
  EXPECT_EQ(Run({"count", "-c", "gallery"}), 0);
  EXPECT_EQ(out_.str(), "2\n");
  EXPECT_EQ(Run({"delete", "-c", "gallery"}), 1);
  EXPECT_EQ(Run({"delete", "-c", "gallery", "a.png"}), 0);
  EXPECT_THAT(server_.Objects("gallery"), SizeIs(1));
}

TEST_F(CommandLineTest, PicturesAreSavedAsTheyWereImported) {
  Add("cats/tom.png", PngBytes("tom"));
  ASSERT_EQ(Import(), 0);
  TempDirectory target;
  EXPECT_EQ(Run({"get", "-c", "gallery", "cats/tom.png", "--save-images",
                 target.path().native()}),
            0);
  std::ifstream stream(target.File("cats/tom.png"), std::ios::binary);
  std::stringstream bytes;
  bytes << stream.rdbuf();
  EXPECT_EQ(bytes.str(), PngBytes("tom"));
}

TEST_F(CommandLineTest, HealthAndInfo) {
  EXPECT_EQ(Run({"health"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("SERVING"));
  EXPECT_EQ(Run({"--inference", "127.0.0.1:1", "health", "inference"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no inference service answers at "
                                    "127.0.0.1:1"));
  variables_["DIPTYCH_INFERENCE"] = server_.address();
  EXPECT_EQ(Run({"health", "inference"}), 0);
  EXPECT_EQ(Run({"info", "--json"}), 0);
  EXPECT_EQ(Out()["version"], "1.2.3");
  EXPECT_EQ(Run({"version"}), 0);
}

TEST_F(CommandLineTest, SnapshotsAreWrittenListedAndRestored) {
  ASSERT_EQ(Run({"collection", "create", "gallery"}), 0);
  EXPECT_EQ(Run({"snapshot", "create", "monday"}), 0);
  EXPECT_EQ(out_.str(), "wrote snapshot monday, 2.0 KiB\n");
  EXPECT_EQ(Run({"snapshot", "list"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("monday"));
  EXPECT_THAT(out_.str(), HasSubstr("2023-11-14T22:13:20Z"));
  EXPECT_EQ(Run({"snapshot", "list", "--json"}), 0);
  EXPECT_EQ(Out()["snapshots"][0]["collections"], 1);
  ASSERT_EQ(Run({"collection", "delete", "gallery", "--yes"}), 0);
  // Nobody can be asked, then somebody says no.
  EXPECT_EQ(Run({"snapshot", "restore", "monday"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("add --yes"));
  EXPECT_EQ(Run({"snapshot", "restore", "monday"}, "n\n", true), 1);
  EXPECT_THAT(server_.CollectionNames(), IsEmpty());
  EXPECT_EQ(Run({"snapshot", "restore", "monday"}, "y\n", true), 0);
  EXPECT_EQ(out_.str(), "restored snapshot monday, collections: 1\n");
  EXPECT_THAT(server_.CollectionNames(), ElementsAre("gallery"));
  EXPECT_EQ(Run({"snapshot", "restore", "friday", "--yes", "--json"}), 1);
  EXPECT_EQ(Err()["error"]["code"], "NOT_FOUND");
  EXPECT_EQ(Run({"snapshot", "create"}), 64);
}

TEST_F(CommandLineTest, CompactingFlushingAndResetting) {
  ASSERT_EQ(Run({"collection", "create", "gallery"}), 0);
  EXPECT_EQ(Run({"compact", "gallery"}), 0);
  EXPECT_EQ(out_.str(),
            "compacted collection gallery from 4.0 KiB to 1.0 KiB\n");
  EXPECT_EQ(Run({"compact", "none"}), 1);
  EXPECT_EQ(Run({"flush"}), 0);
  EXPECT_EQ(out_.str(), "flushed all collections\n");
  EXPECT_EQ(Run({"flush", "gallery"}), 0);
  EXPECT_EQ(Run({"flush", "none"}), 1);
  EXPECT_EQ(Run({"reset"}), 1);
  EXPECT_THAT(server_.CollectionNames(), SizeIs(1));
  EXPECT_EQ(Run({"reset", "--yes"}), 0);
  EXPECT_THAT(server_.CollectionNames(), IsEmpty());
}

TEST_F(CommandLineTest, BadUsageHasItsOwnStatus) {
  EXPECT_EQ(Run({"serach"}), 64);
  EXPECT_THAT(err_.str(), HasSubstr("--help"));
  EXPECT_EQ(Run({"search", "--json"}), 64);
  EXPECT_EQ(Err()["error"]["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("collection"));
}

}  // namespace
}  // namespace diptych::cli
