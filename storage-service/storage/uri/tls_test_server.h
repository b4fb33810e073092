// A TLS server for tests, on the loopback, with a certificate authority of its
// own.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace diptych::storage {

// Operation: takes one connection after the other, reads the head of one
// request, writes what `answer` makes of it, and closes.
// Concurrency: `answer` is called from the server's thread.
// Limits: heads of 64 KiB.
class TlsTestServer {
 public:
  using Answer = std::function<std::string(const std::string& head)>;

  // The certificate is for `host`, signed by an authority whose certificate is
  // written to `authority_file`. `address` is one of 127.0.0.0/8.
  TlsTestServer(const std::string& host, const std::string& authority_file,
                Answer answer, const std::string& address = "127.0.0.1");
  ~TlsTestServer();
  TlsTestServer(const TlsTestServer&) = delete;
  TlsTestServer& operator=(const TlsTestServer&) = delete;

  uint16_t port() const { return port_; }
  // Connections that were taken, with or without TLS.
  int connections() const { return connections_; }
  // Heads of requests so far.
  std::vector<std::string> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

 private:
  struct Tls;

  void Serve();
  void ServeConnection(int connection);

  const Answer answer_;
  std::unique_ptr<Tls> tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  mutable absl::Mutex mutex_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace diptych::storage
