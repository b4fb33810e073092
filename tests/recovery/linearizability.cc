#include "tests/recovery/linearizability.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

class Search {
 public:
  explicit Search(const std::vector<RegisterOperation>& history)
      : history_(history), taken_(history.size(), false) {}

  bool Run() {
    // What was tried at each depth: the operation, and the value before it.
    struct Choice {
      size_t operation;
      int64_t value_before;
    };
    std::vector<Choice> choices;
    size_t from = 0;
    while (choices.size() < history_.size()) {
      const size_t next = Candidate(from);
      if (next < history_.size()) {
        choices.push_back({next, value_});
        taken_[next] = true;
        if (history_[next].write) value_ = history_[next].value;
        if (dead_ends_.insert(State()).second) {
          best_ = std::max(best_, choices.size());
          from = 0;
          continue;
        }
      } else if (choices.empty()) {
        return false;
      }
      // Back to the last choice, and on to its next alternative.
      const Choice last = choices.back();
      choices.pop_back();
      taken_[last.operation] = false;
      value_ = last.value_before;
      from = last.operation + 1;
    }
    return true;
  }

  // How many operations could be placed.
  size_t best() const { return best_; }

 private:
  // The first from `from` on that may come next: no other one ended before it
  // began, and what it read is there.
  size_t Candidate(size_t from) const {
    int64_t first_end = std::numeric_limits<int64_t>::max();
    for (size_t i = FirstLeft(); i < history_.size(); ++i) {
      if (history_[i].begin > first_end) break;
      if (!taken_[i]) first_end = std::min(first_end, history_[i].end);
    }
    for (size_t i = std::max(from, FirstLeft());
         i < history_.size() && history_[i].begin < first_end; ++i) {
      if (!taken_[i] && (history_[i].write || history_[i].value == value_)) {
        return i;
      }
    }
    return history_.size();
  }

  size_t FirstLeft() const {
    return static_cast<size_t>(std::find(taken_.begin(), taken_.end(), false) -
                               taken_.begin());
  }

  // Which are taken, in few bytes, and the value.
  std::pair<std::string, int64_t> State() const {
    const size_t first = FirstLeft();
    std::string taken = absl::StrCat(first, ":");
    const auto last = std::find(taken_.rbegin(), taken_.rend(), true).base();
    for (auto at = taken_.begin() + static_cast<ptrdiff_t>(first); at < last;
         ++at) {
      taken.push_back(*at ? '1' : '0');
    }
    return {std::move(taken), value_};
  }

  const std::vector<RegisterOperation>& history_;
  std::vector<bool> taken_;
  int64_t value_ = 0;
  size_t best_ = 0;
  std::set<std::pair<std::string, int64_t>> dead_ends_;
};

}  // namespace

bool IsLinearizable(std::vector<RegisterOperation> history, std::string* why) {
  std::sort(history.begin(), history.end(),
            [](const RegisterOperation& a, const RegisterOperation& b) {
              return a.begin < b.begin;
            });
  Search search(history);
  if (search.Run()) return true;
  *why = absl::StrCat("of ", history.size(), " operations ", search.best(),
                      " could be placed; around there:");
  const size_t at = search.best();
  for (size_t i = at < 6 ? 0 : at - 6; i < std::min(at + 6, history.size());
       ++i) {
    absl::StrAppend(why, "\n  ", history[i].write ? "write " : "read ",
                    history[i].value, " from ", history[i].begin, " to ",
                    history[i].end);
  }
  return false;
}

}  // namespace diptych::storage
