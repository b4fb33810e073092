// Whether a real checkpoint gives the values that its authors published.
//
// Operation: finds the published model that a directory is (by family and
// sizes), computes every figure of it, and compares. Figures about pictures are
// computed where the picture's file is given, and else reported as not checked.
// Concurrency: one thread.
// Limits: as published_values.h; what can be compared is what was published.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model/model.h"
#include "inference/selftest/published_values.h"

namespace diptych::inference {

struct SelftestResult {
  enum class Outcome { kAsPublished, kDiffers, kNotChecked };

  Outcome outcome = Outcome::kNotChecked;
  // What was compared, e.g. "logits of 000000039769.jpg".
  std::string what;
  std::string expected;
  // Or why it was not checked.
  std::string got;
  std::string source;
};

// The one of `published` that `description` is. NOT_FOUND, with what it is and
// what is known, when nothing was published about it.
absl::StatusOr<PublishedModel> FindPublished(
    const ModelDescription& description,
    const std::vector<PublishedModel>& published);

// One result per figure of `published`. `image_folder` has the published
// pictures; "": there are none. The errors of tokeniser, decoder and encoder,
// and INVALID_ARGUMENT when the weights have no "logit_scale" where one is
// needed.
absl::StatusOr<std::vector<SelftestResult>> CompareWithPublished(
    const Model& model, const ModelDescription& description,
    const PublishedModel& published, const std::string& image_folder);

// Writes a line or more per result, and one that sums up. 0 when at least one
// figure is as published and none differs, 1 when one differs, 2 when nothing
// was checked: the program's exit status.
int ReportSelftest(const std::string& directory, const PublishedModel& model,
                   const std::vector<SelftestResult>& results,
                   std::ostream& out);

}  // namespace diptych::inference
