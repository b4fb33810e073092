#include "storage/uri/internet_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

struct Ipv4Network {
  uint32_t address;  // host byte order
  int prefix_bits;
};

constexpr uint32_t Ipv4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// Not globally reachable, or not a host's.
constexpr Ipv4Network kNotPublicIpv4[] = {
    {Ipv4(0, 0, 0, 0), 8},        // this network
    {Ipv4(10, 0, 0, 0), 8},       // private
    {Ipv4(100, 64, 0, 0), 10},    // shared by carriers
    {Ipv4(127, 0, 0, 0), 8},      // loopback
    {Ipv4(169, 254, 0, 0), 16},   // link-local, and metadata services
    {Ipv4(172, 16, 0, 0), 12},    // private
    {Ipv4(192, 0, 0, 0), 24},     // protocol assignments
    {Ipv4(192, 0, 2, 0), 24},     // documentation
    {Ipv4(192, 88, 99, 0), 24},   // relays of 6to4
    {Ipv4(192, 168, 0, 0), 16},   // private
    {Ipv4(198, 18, 0, 0), 15},    // benchmarks
    {Ipv4(198, 51, 100, 0), 24},  // documentation
    {Ipv4(203, 0, 113, 0), 24},   // documentation
    {Ipv4(224, 0, 0, 0), 4},      // multicast
    {Ipv4(240, 0, 0, 0), 4},      // reserved, and broadcast
};

struct Ipv6Network {
  std::array<uint8_t, 4> prefix;
  int prefix_bits;
};

// Those within 2000::/3, which alone is given to hosts.
constexpr Ipv6Network kNotPublicIpv6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},  // protocols: Teredo, ORCHID, benchmarks
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02, 0x00, 0x00}, 16},  // 6to4, which carries an IPv4 address
    {{0x3f, 0xff, 0x00, 0x00}, 20},  // documentation
};

bool IsPublicIpv4(uint32_t address) {
  return std::none_of(std::begin(kNotPublicIpv4), std::end(kNotPublicIpv4),
                      [address](const Ipv4Network& network) {
                        const int rest = 32 - network.prefix_bits;
                        return address >> rest == network.address >> rest;
                      });
}

uint32_t LeadingBits(const uint8_t* bytes, int bits) {
  const uint32_t leading = Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
  return leading >> (32 - bits);
}

bool IsPublicIpv6(const in6_addr& address) {
  const uint8_t* bytes = address.s6_addr;
  if (bytes[0] >> 5 != 1) return false;
  return std::none_of(std::begin(kNotPublicIpv6), std::end(kNotPublicIpv6),
                      [bytes](const Ipv6Network& network) {
                        return LeadingBits(bytes, network.prefix_bits) ==
                               LeadingBits(network.prefix.data(),
                                           network.prefix_bits);
                      });
}

}  // namespace

bool IsPublicAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &address, sizeof(ipv4));
    return IsPublicIpv4(ntohl(ipv4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &address, sizeof(ipv6));
    return IsPublicIpv6(ipv6.sin6_addr);
  }
  return false;
}

std::string FormatAddress(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = nullptr;
  if (address.sa_family == AF_INET) {
    bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  } else if (address.sa_family == AF_INET6) {
    bytes = &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  } else {
    return absl::StrCat("an address of family ", address.sa_family);
  }
  return inet_ntop(address.sa_family, bytes, text, sizeof(text));
}

}  // namespace diptych::storage
