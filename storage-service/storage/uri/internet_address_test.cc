#include "storage/uri/internet_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

// An address in its text form as a socket takes it.
class Address {
 public:
  explicit Address(const std::string& text) {
    auto& ipv4 = reinterpret_cast<sockaddr_in&>(storage_);
    auto& ipv6 = reinterpret_cast<sockaddr_in6&>(storage_);
    if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
      ipv4.sin_family = AF_INET;
    } else {
      EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr), 1) << text;
      ipv6.sin6_family = AF_INET6;
    }
  }
  const sockaddr& get() const {
    return reinterpret_cast<const sockaddr&>(storage_);
  }

 private:
  sockaddr_storage storage_{};
};

TEST(InternetAddressTest, HostsOfTheInternetArePublic) {
  for (const char* text :
       {"1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0",
        "172.15.255.255", "172.32.0.0", "192.167.255.255", "198.17.255.255",
        "198.20.0.0", "223.255.255.255", "2606:2800:220:1::1", "2001:4860::1",
        "2a00:1450:4001::1"}) {
    EXPECT_TRUE(IsPublicAddress(Address(text).get())) << text;
    EXPECT_EQ(FormatAddress(Address(text).get()), text);
  }
}

TEST(InternetAddressTest, WhatIsNotGloballyReachableIsNotPublic) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.7",
                           "203.0.113.9",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "fec0::1",
                           "ff02::1",
                           "64:ff9b::808:808",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:1ff:ffff::1",
                           "2001:db8::1",
                           "2002:808:808::1",
                           "3fff::1",
                           "4000::1",
                           "5f00::1"}) {
    EXPECT_FALSE(IsPublicAddress(Address(text).get())) << text;
  }
}

TEST(InternetAddressTest, AnIpv4AddressWithinAnIpv6OneIsNotPublic) {
  for (const char* text : {"::ffff:127.0.0.1", "::ffff:10.0.0.1",
                           "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8"}) {
    EXPECT_FALSE(IsPublicAddress(Address(text).get())) << text;
  }
}

TEST(InternetAddressTest, OtherFamiliesAreNotPublic) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_FALSE(IsPublicAddress(reinterpret_cast<const sockaddr&>(local)));
  EXPECT_EQ(FormatAddress(reinterpret_cast<const sockaddr&>(local)),
            "an address of family 1");
}

}  // namespace
}  // namespace diptych::storage
