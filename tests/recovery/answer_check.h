// Compares a server's answers with what they must be.
#pragma once

#include <random>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/recovery/campaign_client.h"

namespace diptych::storage {

// All objects, page after page. DATA_LOSS: one is not whole, or comes twice.
absl::StatusOr<WriteLedger::Objects> ListEverything(CampaignStubs& stubs);

// Get, list in order, count, statistics, and queries by vector, with a filter
// and by words, against `objects`, which are all there are. DATA_LOSS says what
// was asked and which answer was wrong.
absl::Status CheckAnswers(CampaignStubs& stubs,
                          const WriteLedger::Objects& objects,
                          std::mt19937_64& random);

}  // namespace diptych::storage
