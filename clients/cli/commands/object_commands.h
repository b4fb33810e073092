// `diptych get|delete|list|count`.
//
// Concurrency: the thread that runs the command line. Limits: none.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "cli/commands/command_context.h"
#include "diptych/storage/v1/object.pb.h"

namespace diptych::cli {

void AddObjectCommands(CLI::App& app, CommandContext& context);

// The properties that a table of these objects shows: `wished`, or, when that
// is empty, the first kPropertyColumnsMax by name that are no images and do not
// merely repeat the id.
inline constexpr int kPropertyColumnsMax = 5;
std::vector<std::string> PropertyColumns(
    const std::vector<const storage::v1::Object*>& objects,
    const std::vector<std::string>& wished);

// The cells of one object for those columns.
std::vector<std::string> PropertyCells(const storage::v1::Object& object,
                                       const std::vector<std::string>& columns);

// Columns of a table for properties; their cells are cut at 40.
std::vector<Column> PropertyTableColumns(
    const std::vector<std::string>& columns);

}  // namespace diptych::cli
