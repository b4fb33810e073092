#include "storage/engine/bulk_vectorizer.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "storage/engine/fake_vectorizer.h"

namespace diptych::storage {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::SizeIs;

// Answers as the test says, and holds the first call until it is released.
class ScriptedVectorizer final : public Vectorizer {
 public:
  using Answer =
      std::function<absl::Status(int call, const std::vector<std::string>&)>;

  absl::StatusOr<Vectorization> Vectorize(
      const CallContext& context, absl::string_view model,
      absl::Span<const VectorizerInput> inputs) override {
    std::vector<std::string> texts;
    for (const VectorizerInput& input : inputs) {
      texts.push_back(std::string(StartOf(input.bytes)));
    }
    int call = 0;
    {
      absl::MutexLock lock(&mutex_);
      calls_.push_back(texts);
      call = static_cast<int>(calls_.size());
    }
    if (call == 1 && hold_first) {
      entered.Notify();
      release.WaitForNotification();
    }
    if (answer) {
      absl::Status status = answer(call, texts);
      if (!status.ok()) return status;
    }
    std::vector<VectorizerInput> starts(inputs.begin(), inputs.end());
    for (VectorizerInput& input : starts) input.bytes = StartOf(input.bytes);
    return fake_.Vectorize(context, model, starts);
  }
  // Enough to tell inputs apart; hashing large ones takes long.
  static absl::string_view StartOf(absl::string_view bytes) {
    return bytes.substr(0, 32);
  }
  std::vector<std::vector<std::string>> calls() const {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }
  std::vector<size_t> sizes() const {
    std::vector<size_t> sizes;
    for (const auto& call : calls()) sizes.push_back(call.size());
    return sizes;
  }

  Answer answer;
  bool hold_first = false;
  absl::Notification entered, release;

 private:
  FakeVectorizer fake_;
  mutable absl::Mutex mutex_;
  std::vector<std::vector<std::string>> calls_ ABSL_GUARDED_BY(mutex_);
};

// Inputs and, later, their results.
struct Submitted {
  std::vector<std::string> texts;
  BulkVectorizer::Results results;
  absl::Notification done;
};

class BulkVectorizerTest : public ::testing::Test {
 protected:
  BulkVectorizer& bulk() {
    if (bulk_ == nullptr) {
      bulk_ = std::make_unique<BulkVectorizer>(&vectorizer_, &clock_, options_,
                                               &metrics_);
    }
    return *bulk_;
  }
  Submitted& Submit(std::vector<std::string> texts,
                    const std::string& model = "",
                    const CallContext& context = {}) {
    Submitted& submitted = submitted_.emplace_back();
    submitted.texts = std::move(texts);
    std::vector<VectorizerInput> inputs;
    for (const std::string& text : submitted.texts) {
      inputs.push_back({VectorizerInputKind::kText, text});
    }
    bulk().Submit(context, model, std::move(inputs),
                  [&submitted](BulkVectorizer::Results results) {
                    submitted.results = std::move(results);
                    submitted.done.Notify();
                  });
    return submitted;
  }
  // Submits something that keeps the service busy until it is released.
  void Occupy() {
    vectorizer_.hold_first = true;
    Submit({"first"});
    vectorizer_.entered.WaitForNotification();
  }
  static std::vector<std::string> Texts(int count) {
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) texts.push_back(absl::StrCat("t", i));
    return texts;
  }
  static void ExpectMade(const Submitted& submitted) {
    ASSERT_THAT(submitted.results, SizeIs(submitted.texts.size()));
    for (size_t i = 0; i < submitted.texts.size(); ++i) {
      ASSERT_THAT(submitted.results[i], IsOk());
      EXPECT_EQ(submitted.results[i]->vector,
                FakeVectorizer::VectorOf(
                    ScriptedVectorizer::StartOf(submitted.texts[i]), 8));
      EXPECT_EQ(submitted.results[i]->model_fingerprint, "fake-fingerprint");
    }
  }

  FakeClock clock_;
  ScriptedVectorizer vectorizer_;
  BulkVectorizerOptions options_;
  MetricsRegistry metrics_;
  std::deque<Submitted> submitted_;
  std::unique_ptr<BulkVectorizer> bulk_;
};

TEST_F(BulkVectorizerTest, WhatComesDuringACallSharesTheNext) {
  Occupy();
  for (int i = 0; i < 15; ++i) Submit({absl::StrCat("stream ", i)});
  vectorizer_.release.Notify();
  for (Submitted& submitted : submitted_) {
    submitted.done.WaitForNotification();
    ExpectMade(submitted);
  }
  EXPECT_THAT(vectorizer_.sizes(), ElementsAre(1, 15));
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_call_inputs_count 2"));
}

TEST_F(BulkVectorizerTest, CallsKeepToTheNumberOfInputs) {
  Submitted& submitted = Submit(Texts(600));
  submitted.done.WaitForNotification();
  ExpectMade(submitted);
  EXPECT_THAT(vectorizer_.sizes(), Each(Le(Vectorizer::kInputsMax)));
  // Full ones go at the same time, what is left over at the end.
  EXPECT_THAT(vectorizer_.sizes(), SizeIs(3));
}

TEST_F(BulkVectorizerTest, CallsKeepToTheBytes) {
  const std::string large(20 << 20, 'x');
  Submitted& submitted = Submit({large, large, large, large, large});
  submitted.done.WaitForNotification();
  ExpectMade(submitted);
  EXPECT_THAT(vectorizer_.sizes(), Each(Le(2u)));
}

TEST_F(BulkVectorizerTest, ALargeRequestDoesNotKeepOthersWaiting) {
  options_.calls_max = 1;
  Occupy();
  Submit(Texts(2'000));
  Submit({"small"});
  vectorizer_.release.Notify();
  for (Submitted& submitted : submitted_) submitted.done.WaitForNotification();
  EXPECT_THAT(vectorizer_.calls()[1], ::testing::Contains("small"));
}

TEST_F(BulkVectorizerTest, ModelsAreNotMixed) {
  Occupy();
  Submitted& a = Submit({"a"}, "one");
  Submitted& b = Submit({"b"}, "two");
  vectorizer_.release.Notify();
  a.done.WaitForNotification();
  b.done.WaitForNotification();
  ExpectMade(a);
  ExpectMade(b);
  EXPECT_THAT(vectorizer_.sizes(), ElementsAre(1, 1, 1));
}

TEST_F(BulkVectorizerTest, BadInputsFailAloneAndTheOthersAreSentAgain) {
  vectorizer_.answer = [](int, const std::vector<std::string>& texts) {
    FieldViolations violations;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i] == "t1" || texts[i] == "t3") {
        violations.Add(absl::StrCat("inputs[", i, "].image"), "is truncated");
      }
    }
    return violations.ToStatus();
  };
  Submitted& submitted = Submit(Texts(5));
  submitted.done.WaitForNotification();
  for (int i : {1, 3}) {
    EXPECT_THAT(submitted.results[i],
                StatusIs(absl::StatusCode::kInvalidArgument, "is truncated"));
  }
  for (int i : {0, 2, 4}) EXPECT_THAT(submitted.results[i], IsOk());
  EXPECT_THAT(vectorizer_.sizes(), ElementsAre(5, 3));
}

TEST_F(BulkVectorizerTest, ABadInputThatIsNotNamedIsFoundByHalving) {
  vectorizer_.answer = [](int, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      if (text == "t6") return absl::InvalidArgumentError("something");
    }
    return absl::OkStatus();
  };
  Submitted& submitted = Submit(Texts(9));
  submitted.done.WaitForNotification();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(submitted.results[i].ok(), i != 6);
}

TEST_F(BulkVectorizerTest, ABusyServiceIsAskedAgainWhenItSays) {
  vectorizer_.answer = [](int call, const std::vector<std::string>&) {
    if (call > 1) return absl::OkStatus();
    return WithRetryAfter(absl::ResourceExhaustedError("busy"),
                          absl::Seconds(7));
  };
  Submitted& submitted = Submit({"a"});
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Seconds(6));
  EXPECT_THAT(vectorizer_.sizes(), SizeIs(1));
  clock_.Advance(absl::Seconds(1));
  submitted.done.WaitForNotification();
  ExpectMade(submitted);
  EXPECT_THAT(metrics_.TextExposition(),
              HasSubstr("diptych_import_call_retries_total 1"));
}

TEST_F(BulkVectorizerTest, ABusyServiceGetsSmallerCalls) {
  options_.calls_max = 1;
  vectorizer_.answer = [](int call, const std::vector<std::string>&) {
    return call == 1 ? absl::ResourceExhaustedError("busy") : absl::OkStatus();
  };
  Submitted& submitted = Submit(Texts(256));
  clock_.AwaitWaiters(1);
  clock_.Advance(absl::Minutes(1));
  submitted.done.WaitForNotification();
  ExpectMade(submitted);
  EXPECT_THAT(vectorizer_.sizes(), ElementsAre(256, 128, 128));
}

TEST_F(BulkVectorizerTest, AServiceThatStaysAwayIsGivenUp) {
  vectorizer_.answer = [](int, const std::vector<std::string>&) {
    return absl::UnavailableError("nobody there");
  };
  Submitted& submitted = Submit(Texts(3));
  clock_.AwaitWaiters(1);
  clock_.Advance(options_.patience);
  submitted.done.WaitForNotification();
  for (const auto& result : submitted.results) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("nobody there")));
  }
}

TEST_F(BulkVectorizerTest, OtherErrorsAreTheInputsOwn) {
  vectorizer_.answer = [](int, const std::vector<std::string>&) {
    return absl::NotFoundError("no such model");
  };
  Submitted& submitted = Submit(Texts(2));
  submitted.done.WaitForNotification();
  EXPECT_THAT(submitted.results[1], StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BulkVectorizerTest, WhatNobodyWaitsForIsNotSent) {
  Occupy();
  auto cancellation = std::make_shared<Cancellation>();
  Submitted& cancelled =
      Submit({"cancelled"}, "", {absl::InfiniteFuture(), cancellation});
  Submitted& late = Submit({"late"}, "", {clock_.Now(), nullptr});
  Submitted& wanted = Submit({"wanted"});
  cancellation->Cancel();
  vectorizer_.release.Notify();
  wanted.done.WaitForNotification();
  cancelled.done.WaitForNotification();
  late.done.WaitForNotification();
  EXPECT_THAT(cancelled.results[0], StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(late.results[0], StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(vectorizer_.calls()[1], ElementsAre("wanted"));
}

TEST_F(BulkVectorizerTest, TheEndGivesUpWhatWaits) {
  vectorizer_.answer = [](int, const std::vector<std::string>&) {
    return absl::UnavailableError("away");
  };
  Submitted& delayed = Submit({"delayed"});
  clock_.AwaitWaiters(1);
  Submitted& waiting = Submit({"waiting"});
  bulk_.reset();
  EXPECT_THAT(delayed.results[0], StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(waiting.results[0], StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace diptych::storage
