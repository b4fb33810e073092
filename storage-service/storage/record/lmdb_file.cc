#include "storage/record/lmdb_file.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status/status_macros.h"
#include "storage/record/lmdb_file_format.h"

namespace diptych::storage {
namespace {

// More would mean more pages than a disk has.
constexpr uint16_t kDepthMax = 32;
constexpr size_t kKeyBytesMax = 511;

class Verifier {
 public:
  Verifier(const LmdbFile& file, const LmdbMeta& meta)
      : file_(file),
        meta_(meta),
        page_bytes_(meta.free_pages.pad),
        pages_in_file_(file.size() / page_bytes_) {}

  absl::Status Run() {
    // Every page is listed somewhere, so a greater number is no page of this
    // file; the bitmap below must not be as large as a damaged number says.
    if (meta_.last_page < 1 ||
        meta_.last_page > meta_.map_bytes / page_bytes_ ||
        meta_.map_bytes % page_bytes_ != 0) {
      return Wrong("meta page", "the number of the last page");
    }
    // Pages behind the end of the file are free ones that were never written.
    if (meta_.last_page / 4 > pages_in_file_ + (uint64_t{1} << 16)) {
      return Wrong("meta page", "the number of the last page");
    }
    seen_.resize(meta_.last_page + 1);
    DIPTYCH_RETURN_IF_ERROR(Claim(0, 2, "meta pages"));
    if (meta_.free_pages.flags != kLmdbIntegerKey || meta_.tables.flags != 0) {
      return Wrong("meta page", "its flags");
    }
    DIPTYCH_RETURN_IF_ERROR(VerifyTree(meta_.free_pages, Kind::kFreePages));
    DIPTYCH_RETURN_IF_ERROR(VerifyTree(meta_.tables, Kind::kTables));
    // Visiting collects them, so that one tree is on the way at a time.
    for (const LmdbTree& table : std::exchange(tables_, {})) {
      if (table.flags != 0) return Wrong("a table", "its flags");
      DIPTYCH_RETURN_IF_ERROR(VerifyTree(table, Kind::kRecords));
    }
    for (uint64_t page = 0; page <= meta_.last_page; ++page) {
      if (!seen_[page]) {
        return Wrong(absl::StrCat("page ", page), "it is in no tree");
      }
    }
    return absl::OkStatus();
  }

 private:
  enum class Kind { kFreePages, kTables, kRecords };
  using Bounds = std::pair<std::string, std::string>;  // empty: none

  static absl::Status Wrong(absl::string_view where, absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat("the store's structure is damaged, ", where, ": ", what));
  }

  absl::Status Claim(uint64_t first, uint64_t count, absl::string_view where) {
    if (first > meta_.last_page || count > meta_.last_page + 1 - first) {
      return Wrong(where, "a page beyond the last one");
    }
    for (uint64_t page = first; page < first + count; ++page) {
      if (seen_[page]) {
        return Wrong(where, absl::StrCat("page ", page, " has two owners"));
      }
      seen_[page] = true;
    }
    return absl::OkStatus();
  }

  absl::Status VerifyTree(const LmdbTree& tree, Kind kind) {
    if (tree.root == kLmdbNoPage) {
      return tree.depth == 0 && tree.entries == 0
                 ? absl::OkStatus()
                 : Wrong("a table", "no root, and yet something in it");
    }
    if (tree.depth == 0 || tree.depth > kDepthMax) {
      return Wrong("a table", "its depth");
    }
    counted_ = {};
    DIPTYCH_RETURN_IF_ERROR(VerifyPage(tree.root, tree.depth, kind, {}));
    if (counted_.branch_pages != tree.branch_pages ||
        counted_.leaf_pages != tree.leaf_pages ||
        counted_.overflow_pages != tree.overflow_pages ||
        counted_.entries != tree.entries) {
      return Wrong("a table", "it counts other pages than it has");
    }
    return absl::OkStatus();
  }

  // Whether `a` comes before `b` in a tree.
  static bool Before(absl::string_view a, absl::string_view b, Kind kind) {
    if (kind != Kind::kFreePages) return a < b;
    uint64_t first, second;
    std::memcpy(&first, a.data(), sizeof(first));
    std::memcpy(&second, b.data(), sizeof(second));
    return first < second;
  }

  absl::Status VerifyPage(uint64_t number, int levels, Kind kind,
                          const Bounds& bounds) {
    const std::string where = absl::StrCat("page ", number);
    DIPTYCH_RETURN_IF_ERROR(Claim(number, 1, where));
    if (number >= pages_in_file_) return Wrong(where, "the file ends before");
    std::string page(page_bytes_, '\0');
    DIPTYCH_RETURN_IF_ERROR(
        file_.Read(number * page_bytes_, page_bytes_, page.data()));
    LmdbPageHeader header;
    std::memcpy(&header, page.data(), sizeof(header));
    const bool leaf = levels == 1;
    if (header.number != number) return Wrong(where, "another page's number");
    if (header.flags != (leaf ? kLmdbLeafPage : kLmdbBranchPage)) {
      return Wrong(where, "it is of another kind");
    }
    // The table of free pages may have a branch with one page below it.
    const size_t nodes_min = leaf || kind == Kind::kFreePages ? 1 : 2;
    if (header.lower % 2 != 0 || header.lower > header.upper ||
        header.upper > page_bytes_ ||
        header.lower < sizeof(header) + nodes_min * sizeof(uint16_t)) {
      return Wrong(where, "the bounds of its free space");
    }
    ++(leaf ? counted_.leaf_pages : counted_.branch_pages);
    const size_t nodes = (header.lower - sizeof(header)) / sizeof(uint16_t);
    size_t used = 0;
    // LMDB does not look at the first key of a branch.
    const size_t first_key = leaf ? 0 : 1;
    absl::string_view previous;
    Node node, next;
    DIPTYCH_RETURN_IF_ERROR(ReadNode(page, header, 0, leaf, where, node));
    if (leaf) DIPTYCH_RETURN_IF_ERROR(CheckKey(node.key, kind, where));
    for (size_t i = 0; i < nodes; ++i) {
      if (i + 1 < nodes) {
        DIPTYCH_RETURN_IF_ERROR(
            ReadNode(page, header, i + 1, leaf, where, next));
        DIPTYCH_RETURN_IF_ERROR(CheckKey(next.key, kind, where));
      }
      used += (node.bytes + 1) / 2 * 2;
      if (i >= first_key &&
          ((i > first_key && !Before(previous, node.key, kind)) ||
           (!bounds.first.empty() && Before(node.key, bounds.first, kind)) ||
           (!bounds.second.empty() &&
            !Before(node.key, bounds.second, kind)))) {
        return Wrong(where, "the order of its keys");
      }
      if (leaf) {
        DIPTYCH_RETURN_IF_ERROR(VerifyLeafNode(node, kind, where));
      } else {
        const Bounds below = {
            i == 0 ? bounds.first : std::string(node.key),
            i + 1 < nodes ? std::string(next.key) : bounds.second};
        DIPTYCH_RETURN_IF_ERROR(
            VerifyPage(node.header.child(), levels - 1, kind, below));
      }
      previous = node.key;
      node = next;
    }
    // Nodes lie one behind the other.
    if (used != page_bytes_ - header.upper) {
      return Wrong(where, "its nodes overlap");
    }
    return absl::OkStatus();
  }

  struct Node {
    LmdbNodeHeader header;
    absl::string_view key;
    absl::string_view data;  // of a leaf; the number of overflow pages' first
    size_t bytes = 0;
  };

  absl::Status ReadNode(absl::string_view page, const LmdbPageHeader& header,
                        size_t index, bool leaf, const std::string& where,
                        Node& node) {
    uint16_t offset;
    std::memcpy(&offset,
                page.data() + sizeof(header) + index * sizeof(uint16_t),
                sizeof(offset));
    if (offset < header.upper || offset % 2 != 0 ||
        offset + sizeof(LmdbNodeHeader) > page.size()) {
      return Wrong(where, "a node outside of it");
    }
    std::memcpy(&node.header, page.data() + offset, sizeof(node.header));
    size_t data_bytes = 0;
    if (leaf) {
      data_bytes = (node.header.flags & kLmdbBigData) != 0
                       ? sizeof(uint64_t)
                       : node.header.data_size();
    }
    node.bytes = sizeof(node.header) + node.header.key_size + data_bytes;
    if (node.bytes > page.size() - offset) {
      return Wrong(where, "a node that goes beyond it");
    }
    const size_t key_at = offset + sizeof(node.header);
    node.key = page.substr(key_at, node.header.key_size);
    node.data = page.substr(key_at + node.header.key_size, data_bytes);
    return absl::OkStatus();
  }

  static absl::Status CheckKey(absl::string_view key, Kind kind,
                               const std::string& where) {
    const bool good = kind == Kind::kFreePages
                          ? key.size() == sizeof(uint64_t)
                          : !key.empty() && key.size() <= kKeyBytesMax;
    return good ? absl::OkStatus() : Wrong(where, "the size of a key");
  }

  absl::Status VerifyLeafNode(const Node& node, Kind kind,
                              const std::string& where) {
    ++counted_.entries;
    const uint16_t flags = node.header.flags;
    if (kind == Kind::kTables) {
      LmdbTree table;
      if (flags != kLmdbSubData || node.data.size() != sizeof(table)) {
        return Wrong(where, "it should describe a table");
      }
      std::memcpy(&table, node.data.data(), sizeof(table));
      tables_.push_back(table);
      return absl::OkStatus();
    }
    if (flags != 0 && flags != kLmdbBigData) {
      return Wrong(where, "the flags of a node");
    }
    uint64_t first = 0;
    if (flags == kLmdbBigData) {
      std::memcpy(&first, node.data.data(), sizeof(first));
      DIPTYCH_RETURN_IF_ERROR(
          VerifyOverflow(first, node.header.data_size(), where));
    }
    if (kind == Kind::kRecords) return absl::OkStatus();
    std::string list(node.data);
    if (flags == kLmdbBigData) {
      list.resize(node.header.data_size());
      DIPTYCH_RETURN_IF_ERROR(
          file_.Read(first * page_bytes_ + sizeof(LmdbPageHeader), list.size(),
                     list.data()));
    }
    return ClaimFreePages(node.key, list, where);
  }

  absl::Status VerifyOverflow(uint64_t first, uint64_t bytes,
                              const std::string& where) {
    const uint64_t pages =
        (sizeof(LmdbPageHeader) - 1 + bytes) / page_bytes_ + 1;
    DIPTYCH_RETURN_IF_ERROR(Claim(first, pages, where));
    if (first + pages > pages_in_file_) {
      return Wrong(where, "a value behind the end of the file");
    }
    char bytes_of_header[sizeof(LmdbPageHeader)];
    DIPTYCH_RETURN_IF_ERROR(file_.Read(
        first * page_bytes_, sizeof(bytes_of_header), bytes_of_header));
    LmdbPageHeader header;
    std::memcpy(&header, bytes_of_header, sizeof(header));
    if (header.number != first || header.flags != kLmdbOverflowPage ||
        header.overflow_pages() != pages) {
      return Wrong(absl::StrCat("page ", first), "it should hold a value");
    }
    counted_.overflow_pages += pages;
    return absl::OkStatus();
  }

  // A list: how many, then the numbers of pages, descending.
  absl::Status ClaimFreePages(absl::string_view key, absl::string_view list,
                              const std::string& where) {
    uint64_t transaction;
    std::memcpy(&transaction, key.data(), sizeof(transaction));
    if (transaction > meta_.transaction) {
      return Wrong(where, "pages freed by a transaction to come");
    }
    std::vector<uint64_t> numbers(list.size() / sizeof(uint64_t));
    std::memcpy(numbers.data(), list.data(), numbers.size() * sizeof(uint64_t));
    if (numbers.empty() || list.size() % sizeof(uint64_t) != 0 ||
        numbers[0] > numbers.size() - 1) {
      return Wrong(where, "the length of a list of free pages");
    }
    for (size_t i = 1; i <= numbers[0]; ++i) {
      if (i > 1 && numbers[i] >= numbers[i - 1]) {
        return Wrong(where, "the order of a list of free pages");
      }
      DIPTYCH_RETURN_IF_ERROR(Claim(numbers[i], 1, where));
    }
    return absl::OkStatus();
  }

  const LmdbFile& file_;
  const LmdbMeta& meta_;
  const size_t page_bytes_;
  const uint64_t pages_in_file_;
  std::vector<bool> seen_;
  std::vector<LmdbTree> tables_;
  LmdbTree counted_ = {};
};

}  // namespace

absl::Status VerifyLmdbFile(const std::filesystem::path& path) {
  DIPTYCH_ASSIGN_OR_RETURN(const LmdbFile file,
                           LmdbFile::Open(path, /*writable=*/false));
  if (file.size() == 0) return absl::OkStatus();
  DIPTYCH_ASSIGN_OR_RETURN(const auto metas, file.ReadMetas());
  const LmdbMeta& current =
      metas[metas[0].transaction < metas[1].transaction ? 1 : 0];
  return Verifier(file, current).Run();
}

absl::Status RevertLmdbCommit(const std::filesystem::path& path,
                              uint64_t transaction) {
  DIPTYCH_ASSIGN_OR_RETURN(LmdbFile file,
                           LmdbFile::Open(path, /*writable=*/true));
  // The meta pages may be torn or doubtful in one of them, but not in the one
  // before.
  const size_t doubtful = transaction % 2, sound = 1 - doubtful;
  char bytes[sizeof(LmdbPageHeader) + sizeof(LmdbMeta)];
  DIPTYCH_RETURN_IF_ERROR(file.Read(0, sizeof(bytes), bytes));
  LmdbMeta meta;
  std::memcpy(&meta, bytes + sizeof(LmdbPageHeader), sizeof(meta));
  const uint64_t page_bytes = meta.free_pages.pad;
  DIPTYCH_RETURN_IF_ERROR(file.Read(sound * page_bytes, sizeof(bytes), bytes));
  std::memcpy(&meta, bytes + sizeof(LmdbPageHeader), sizeof(meta));
  if (meta.magic != kLmdbMagic || meta.transaction != transaction - 1) {
    return absl::DataLossError("the state before the last commit is gone");
  }
  // The same state once more, said to be one older.
  if (meta.transaction > 0) --meta.transaction;
  DIPTYCH_RETURN_IF_ERROR(file.Write(
      doubtful * page_bytes + sizeof(LmdbPageHeader),
      absl::string_view(reinterpret_cast<const char*>(&meta), sizeof(meta))));
  return file.Sync();
}

}  // namespace diptych::storage
