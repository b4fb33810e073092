// `diptych collection create|list|get|delete` and `diptych stats`.
//
// Concurrency: the thread that runs the command line. Limits: none.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/commands/command_context.h"
#include "diptych/storage/v1/collection.pb.h"

namespace diptych::cli {

// What `collection create` was given.
struct CollectionOptions {
  std::string name;
  // "cosine", "l2", "ip"; empty: not given.
  std::string metric;
  int dimension = 0;
  std::string model;
  // "property" or "property=weight".
  std::vector<std::string> text_fields;
  std::vector<std::string> image_fields;
  bool no_vectorizer = false;
  // "key=value"; a value that is a JSON scalar is typed, anything else is text.
  std::vector<std::string> metadata;
};

// The collection that the options describe. Without any of them it has no
// vector space, and the server takes its default. INVALID_ARGUMENT for a
// malformed weight or metadata, or fields with no_vectorizer.
absl::StatusOr<storage::v1::Collection> CollectionOf(
    const CollectionOptions& options);

// NOT_FOUND of a collection gets a hint.
absl::Status ExplainCollection(absl::Status status);

void AddCollectionCommands(CLI::App& app, CommandContext& context);

}  // namespace diptych::cli
