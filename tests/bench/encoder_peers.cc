#include "tests/bench/encoder_peers.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"

namespace diptych {
namespace {

constexpr char kProgram[] = DIPTYCH_ENCODER_PEERS;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "bench-encoder: %s\n", what.c_str());
  std::exit(1);
}

// Starts the program; standard input and output become the pipes where given.
pid_t Start(const std::string& python, std::vector<std::string> words,
            int input, int output) {
  const pid_t process = fork();
  if (process < 0) Fail("cannot start a process");
  if (process > 0) return process;
  if (input >= 0) dup2(input, STDIN_FILENO);
  if (output >= 0) dup2(output, STDOUT_FILENO);
  words.insert(words.begin(), {python, kProgram});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(python.c_str(), arguments.data());
  std::fprintf(stderr, "bench-encoder: cannot run %s\n", python.c_str());
  _exit(127);
}

}  // namespace

void EncoderPeers::Make(const std::string& python, const std::string& folder) {
  const pid_t process = Start(python, {"make", folder}, -1, STDERR_FILENO);
  int status = 0;
  waitpid(process, &status, 0);
  if (status != 0) Fail("encoder_peers.py make failed");
}

EncoderPeers::EncoderPeers(const std::string& python, const std::string& folder,
                           int threads) {
  std::array<int, 2> to, from;
  if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) {
    Fail("cannot make a pipe");
  }
  process_ =
      Start(python, {"serve", folder, absl::StrCat(threads)}, to[0], from[1]);
  close(to[0]);
  close(from[1]);
  to_ = fdopen(to[1], "w");
  from_ = fdopen(from[0], "r");
}

EncoderPeers::~EncoderPeers() {
  // It ends with its input.
  std::fclose(to_);
  std::fclose(from_);
  waitpid(process_, nullptr, 0);
}

std::string EncoderPeers::Ask(const std::string& line) {
  std::fprintf(to_, "%s\n", line.c_str());
  std::fflush(to_);
  std::array<char, 512> answer = {};
  if (std::fgets(answer.data(), answer.size(), from_) == nullptr) {
    Fail("encoder_peers.py ended");
  }
  std::string result = answer.data();
  while (!result.empty() && result.back() == '\n') result.pop_back();
  return result;
}

std::string EncoderPeers::Versions() { return Ask("versions"); }

double EncoderPeers::Seconds(const std::string& contender,
                             const std::string& kind, int count) {
  return std::atof(Ask(absl::StrCat(contender, " ", kind, " ", count)).c_str());
}

}  // namespace diptych
