#include "storage/service/import_pipeline.h"

#include <map>
#include <string>
#include <utility>

#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Vectors are made when the test says so.
class FakeImport final : public ObjectImport {
 public:
  class Objects final : public PreparedObjects {
   public:
    explicit Objects(std::vector<ImportObject> given)
        : objects(std::move(given)) {}
    size_t size() const override { return objects.size(); }
    size_t bytes() const override { return bytes_of_each * objects.size(); }
    std::vector<ImportObject> objects;
    static inline size_t bytes_of_each = 1;
  };

  absl::Status Prepare(const CallContext&, std::vector<ImportObject> objects,
                       Prepared done) override {
    if (!prepare_status.ok()) return prepare_status;
    const std::string id = objects[0].write.id;
    pending[id] = {std::make_unique<Objects>(std::move(objects)),
                   std::move(done)};
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<ImportOutcome>> Commit(
      const CallContext&,
      std::vector<std::unique_ptr<PreparedObjects>> prepared) override {
    if (!commit_status.ok()) return commit_status;
    std::vector<ImportOutcome> outcomes;
    std::string together;
    for (const auto& objects : prepared) {
      for (ImportObject& object : static_cast<Objects&>(*objects).objects) {
        together += object.write.id;
        outcomes.push_back({object.write.id, WriteOutcome::kCreated});
      }
    }
    commits.push_back(together);
    return outcomes;
  }
  void Make(const std::string& id) {
    auto found = std::move(pending.extract(id).mapped());
    std::move(found.second)(std::move(found.first));
  }

  absl::Status prepare_status, commit_status;
  std::map<std::string, std::pair<std::unique_ptr<Objects>, Prepared>> pending;
  std::vector<std::string> commits;
};

class ImportPipelineTest : public ::testing::Test, public ImportListener {
 protected:
  ImportPipelineTest() {
    FakeImport::Objects::bytes_of_each = 1;
    auto import = std::make_unique<FakeImport>();
    import_ = import.get();
    pipeline_ = ImportPipeline::Create({}, std::move(import), *budget_->Open(),
                                       executor_, *this);
  }
  // What is still to be made holds the pipeline, which holds the import.
  ~ImportPipelineTest() override { import_->pending.clear(); }

  void OnCommitted(std::vector<CommittedChunk> chunks) override {
    for (const CommittedChunk& chunk : chunks) {
      committed_.push_back(chunk.sequence_number);
    }
  }
  void OnEnded(absl::Status status) override { ended_.push_back(status); }

  void Add(int64_t sequence_number, const std::string& id) {
    pipeline_->Add(sequence_number, 10, [id] {
      std::vector<ImportObject> objects(1);
      objects[0].write.id = id;
      return objects;
    });
  }

  MetricsRegistry metrics_;
  std::shared_ptr<ImportBudget> budget_ =
      ImportBudget::Create(Limits(), metrics_);
  ManualExecutor executor_;
  FakeImport* import_;
  std::shared_ptr<ImportPipeline> pipeline_;
  std::vector<int64_t> committed_;
  std::vector<absl::Status> ended_;
};

TEST_F(ImportPipelineTest, VectorsAreMadeTogetherAndCommittedInOrder) {
  for (int i = 1; i <= 3; ++i) Add(i, std::string(1, 'a' + i - 1));
  executor_.RunAll();
  ASSERT_EQ(import_->pending.size(), 3u);
  import_->Make("b");
  import_->Make("c");
  executor_.RunAll();
  EXPECT_THAT(committed_, IsEmpty());
  import_->Make("a");
  executor_.RunAll();
  EXPECT_THAT(committed_, ElementsAre(1, 2, 3));
  EXPECT_THAT(import_->commits, ElementsAre("abc"));
}

TEST_F(ImportPipelineTest, LaterVectorsAreMadeDuringACommit) {
  Add(1, "a");
  executor_.RunAll();
  import_->Make("a");
  // The commit is queued; the next chunk is prepared all the same.
  Add(2, "b");
  executor_.RunAll();
  EXPECT_THAT(committed_, ElementsAre(1));
  EXPECT_EQ(import_->pending.count("b"), 1u);
}

TEST_F(ImportPipelineTest, ACommitIsBounded) {
  FakeImport::Objects::bytes_of_each = 10 << 20;
  for (int i = 1; i <= 3; ++i) Add(i, std::string(1, 'a' + i - 1));
  executor_.RunAll();
  for (const char* id : {"c", "b", "a"}) import_->Make(id);
  executor_.RunAll();
  EXPECT_THAT(import_->commits, ElementsAre("a", "b", "c"));
}

TEST_F(ImportPipelineTest, FinishWaitsForWhatWasAdded) {
  Add(1, "a");
  executor_.RunAll();
  pipeline_->Finish(absl::InvalidArgumentError("chunk 3"));
  Add(2, "too late");
  EXPECT_THAT(ended_, IsEmpty());
  import_->Make("a");
  executor_.RunAll();
  EXPECT_THAT(committed_, ElementsAre(1));
  EXPECT_THAT(ended_,
              ElementsAre(StatusIs(absl::StatusCode::kInvalidArgument)));
}

TEST_F(ImportPipelineTest, CancelDropsWhatIsNotCommitted) {
  Add(1, "a");
  Add(2, "b");
  executor_.RunAll();
  pipeline_->Cancel(absl::CancelledError(""));
  EXPECT_THAT(ended_, ElementsAre(StatusIs(absl::StatusCode::kCancelled)));
  import_->Make("a");
  executor_.RunAll();
  EXPECT_THAT(committed_, IsEmpty());
  EXPECT_THAT(ended_, ::testing::SizeIs(1));
}

TEST_F(ImportPipelineTest, AnErrorOfTheEngineEndsTheImport) {
  Add(1, "a");
  executor_.RunAll();
  import_->Make("a");
  executor_.RunAll();
  import_->commit_status = absl::ResourceExhaustedError("disk is full");
  Add(2, "b");
  executor_.RunAll();
  import_->Make("b");
  executor_.RunAll();
  EXPECT_THAT(committed_, ElementsAre(1));
  EXPECT_THAT(ended_,
              ElementsAre(StatusIs(absl::StatusCode::kResourceExhausted)));
}

TEST_F(ImportPipelineTest, ACollectionThatIsGoneEndsTheImport) {
  import_->prepare_status = absl::NotFoundError("deleted");
  Add(1, "a");
  Add(2, "b");
  executor_.RunAll();
  EXPECT_THAT(ended_, ElementsAre(StatusIs(absl::StatusCode::kNotFound)));
}

}  // namespace
}  // namespace diptych::storage
