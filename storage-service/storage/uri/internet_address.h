// Which addresses of the internet a server may be sent to by its users.
//
// Concurrency: pure functions.
#pragma once

#include <sys/socket.h>

#include <string>

namespace diptych::storage {

// Whether the address is a host's on the public internet. Not so: loopback,
// private, link-local (the metadata services of clouds among them), shared,
// documentation, benchmark, multicast and reserved addresses, and all of IPv6
// outside 2000::/3; an IPv6 address that carries an IPv4 one (mapped, NAT64,
// 6to4, Teredo) is never public, whatever it carries.
// Source: the special-purpose registries of IANA (RFC 6890 and updates), with
// "globally reachable" as the question.
bool IsPublicAddress(const sockaddr& address);

// "93.184.216.34" or "2606:2800:220:1::1", without port; "an address of family
// 1" for what is neither.
std::string FormatAddress(const sockaddr& address);

}  // namespace diptych::storage
