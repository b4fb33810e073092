#include "storage/uri/tls_test_server.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

constexpr long kValidSeconds = 3600;
constexpr size_t kHeadBytesMax = 64 << 10;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key MakeKey() { return {EVP_EC_gen("P-256"), &EVP_PKEY_free}; }

void AddExtension(X509* certificate, X509* issuer, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
  ASSERT_NE(extension, nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
Certificate MakeCertificate(const std::string& name, EVP_PKEY* key,
                            X509* issuer, EVP_PKEY* issuer_key, long serial) {
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kValidSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
  X509_NAME_add_entry_by_txt(
      X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509* const signer = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  X509_set_pubkey(certificate.get(), key);
  if (issuer == nullptr) {
    AddExtension(certificate.get(), signer, NID_basic_constraints,
                 "critical,CA:TRUE");
    AddExtension(certificate.get(), signer, NID_key_usage,
                 "critical,keyCertSign");
  } else {
    AddExtension(certificate.get(), signer, NID_subject_alt_name,
                 ("DNS:" + name).c_str());
  }
  X509_sign(certificate.get(), issuer_key, EVP_sha256());
  return certificate;
}

}  // namespace

struct TlsTestServer::Tls {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{
      SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
};

TlsTestServer::TlsTestServer(const std::string& host,
                             const std::string& authority_file, Answer answer,
                             const std::string& address)
    : answer_(std::move(answer)), tls_(std::make_unique<Tls>()) {
  // A client that goes away must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
  const Key authority_key = MakeKey(), key = MakeKey();
  const Certificate authority = MakeCertificate(
      "authority", authority_key.get(), nullptr, authority_key.get(), 1);
  const Certificate certificate =
      MakeCertificate(host, key.get(), authority.get(), authority_key.get(), 2);
  FILE* const file = std::fopen(authority_file.c_str(), "w");
  EXPECT_EQ(PEM_write_X509(file, authority.get()), 1);
  std::fclose(file);
  EXPECT_EQ(SSL_CTX_use_certificate(tls_->context.get(), certificate.get()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(tls_->context.get(), key.get()), 1);

  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in bound{};
  bound.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, address.c_str(), &bound.sin_addr), 1);
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&bound), sizeof(bound)),
            0);
  EXPECT_EQ(listen(listener_, 16), 0);
  socklen_t size = sizeof(bound);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size);
  port_ = ntohs(bound.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

TlsTestServer::~TlsTestServer() {
  shutdown(listener_, SHUT_RDWR);
  thread_.join();
  close(listener_);
}

void TlsTestServer::Serve() {
  for (;;) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    ++connections_;
    ServeConnection(connection);
    close(connection);
  }
}

void TlsTestServer::ServeConnection(int connection) {
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(
      SSL_new(tls_->context.get()), &SSL_free);
  SSL_set_fd(ssl.get(), connection);
  if (SSL_accept(ssl.get()) != 1) return;
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos &&
         head.size() < kHeadBytesMax) {
    char bytes[4096];
    const int got = SSL_read(ssl.get(), bytes, sizeof(bytes));
    if (got <= 0) return;
    head.append(bytes, static_cast<size_t>(got));
  }
  {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(head);
  }
  const std::string answer = answer_(head);
  size_t written = 0;
  if (SSL_write_ex(ssl.get(), answer.data(), answer.size(), &written) == 1) {
    SSL_shutdown(ssl.get());
  }
}

}  // namespace diptych::storage
