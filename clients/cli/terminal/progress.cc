#include "cli/terminal/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/terminal/display_width.h"

namespace diptych::cli {
namespace {

constexpr absl::Duration kRateWindow = absl::Seconds(30);
constexpr int kBarColumnsMin = 10;
constexpr int kBarColumnsMax = 40;

std::string Bar(double fraction, int columns) {
  const int inner = columns - 2;
  const int filled = std::clamp(static_cast<int>(fraction * inner), 0, inner);
  std::string bar(filled, '=');
  if (filled < inner) bar += '>';
  bar.resize(inner, ' ');
  return "[" + bar + "]";
}

}  // namespace

std::string FormatRemaining(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  if (minutes == 0) return absl::StrFormat("%ds", seconds);
  if (hours == 0) return absl::StrFormat("%dm%02ds", minutes, seconds % 60);
  if (hours < 24) return absl::StrFormat("%dh%02dm", hours, minutes % 60);
  return absl::StrFormat("%dd%02dh", hours / 24, hours % 24);
}

std::string FormatProgress(absl::string_view verb, const ProgressState& state,
                           double rate, int columns) {
  const double fraction =
      state.total == 0
          ? 1.0
          : static_cast<double>(state.done) / static_cast<double>(state.total);
  const std::string head =
      absl::StrFormat("%s  %d/%d  %d%%", verb, state.done, state.total,
                      static_cast<int>(fraction * 100));
  std::string tail;
  if (rate > 0) {
    absl::StrAppendFormat(&tail, "  %.1f/s", rate);
    if (state.done < state.total) {
      absl::StrAppend(
          &tail, "  ",
          FormatRemaining(absl::Seconds(
              static_cast<double>(state.total - state.done) / rate)),
          " left");
    }
  }
  if (state.skipped > 0) {
    absl::StrAppendFormat(&tail, "  %d skipped", state.skipped);
  }
  if (!state.note.empty()) absl::StrAppend(&tail, "  ", state.note);
  const int room = std::min(kBarColumnsMax, columns - 1 - DisplayWidth(head) -
                                                DisplayWidth(tail) - 1);
  if (room >= kBarColumnsMin) {
    return absl::StrCat(head, " ", Bar(fraction, room), tail);
  }
  return absl::StrCat(head, tail);
}

Progress::Progress(Options options, std::ostream& out, Clock& clock)
    : options_(std::move(options)), out_(out), clock_(clock) {}

double Progress::AddSample(const ProgressState& state) {
  const absl::Time now = clock_.Now();
  samples_.push_back({now, state.done});
  while (samples_.size() > 2 && now - samples_.front().time > kRateWindow) {
    samples_.pop_front();
  }
  const double seconds = absl::ToDoubleSeconds(now - samples_.front().time);
  if (seconds <= 0) return 0;
  return static_cast<double>(state.done - samples_.front().done) / seconds;
}

void Progress::Update(const ProgressState& state) {
  const absl::Duration interval =
      options_.terminal ? kDrawInterval : options_.line_interval;
  const absl::Time now = clock_.Now();
  if (samples_.empty()) {
    // The rate counts from here.
    samples_.push_back({now, state.done});
    if (!options_.terminal) {
      last_draw_ = now;
      return;
    }
  }
  if (now - last_draw_ < interval) return;
  last_draw_ = now;
  const double rate = AddSample(state);
  if (options_.terminal) {
    out_ << '\r'
         << FitToWidth(
                FormatProgress(options_.verb, state, rate, options_.columns),
                options_.columns - 1)
         << "\x1b[K" << std::flush;
  } else {
    // A log has no bar.
    out_ << FormatProgress(options_.verb, state, rate, 0) << std::endl;
  }
}

void Progress::Finish(const ProgressState& state) {
  if (!options_.terminal) return;
  last_draw_ = absl::InfinitePast();
  Update(state);
  out_ << std::endl;
}

}  // namespace diptych::cli
