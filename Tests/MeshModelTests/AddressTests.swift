// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("addresses")
struct AddressTests {
    @Test(
        "IPv4 is strict dotted decimal",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1.2.3.0x4", "١.2.3.4", ".", "...", "1..2.3",
            "1.2.3.", ".1.2.3", "1.2.3.4.", "00.1.2.3",
            "1.2.3.00", "0001.2.3.4", "1.2.3.256", "1.2.3.4294967296",
        ])
    func badV4(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test("IPv4 goes from end to end", arguments: ["0.0.0.0", "10.0.0.1", "100.20.3.0", "255.255.255.255"])
    func v4(_ text: String) { #expect(IPAddress(text)?.description == text) }

    @Test(
        "IPv6 is shown as RFC 5952 wants it",
        arguments: [
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:10.0.0.1", "::ffff:a00:1"),
        ])
    func v6(_ text: String, _ shown: String) { #expect(IPAddress(text)?.description == shown) }

    @Test(
        "a malformed IPv6 text is refused",
        arguments: [
            ":", ":::", "1:::2", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1:2:3:4:5:6:7:8", "12345::", "g::", "fe80::1%eth0",
            "1.2.3.4::1",
            "::1.2.3", "::+1", "[::1]", ":1:2:3:4:5:6:7:8",
        ])
    func badV6(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test("any address reads back from its text, and order follows the number")
    func roundTrip() throws {
        var random = SplitMix(seed: 5952)
        for _ in 0..<3000 {
            // Many zero groups, so that every shape of `::` comes by.
            var value: UInt128 = 0
            for _ in 0..<8 { value = value << 16 | UInt128(Bool.random(using: &random) ? 0 : UInt16.random(in: 0...20, using: &random)) }
            let (six, four) = (IPAddress(family: .v6, value: value), IPAddress(family: .v4, value: value & 0xFFFF_FFFF))
            #expect(IPAddress(six.description) == six)
            #expect(IPAddress(four.description) == four)
            #expect(four < six && (value == .max || six < IPAddress(family: .v6, value: value + 1)))
        }
    }

    @Test(
        "a range with host bits, a wrong length or no length is refused",
        arguments: ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/8/8", "10.0.0.0/-1", "fd00::1/64", "::/129"])
    func badRanges(_ text: String) { #expect(CIDR(text) == nil) }

    @Test("the whole of each family is a range")
    func wholes() throws {
        let (four, six) = (try #require(CIDR("0.0.0.0/0")), try #require(CIDR("::/0")))
        #expect(four.last.description == "255.255.255.255" && six.last.value == .max)
        let (inside, foreign) = (try #require(IPAddress("10.1.2.3")), try #require(IPAddress("::1")))
        #expect(four.contains(inside) && !four.contains(foreign) && !four.overlaps(six))
    }

    @Test("ranges overlap exactly when they share an address")
    func overlap() throws {
        var random = SplitMix(seed: 1918)
        func range() throws -> CIDR {
            let bits = Int.random(in: 24...32, using: &random)
            let mask = (UInt128(1) << UInt128(32 - bits)) - 1
            let value = (UInt128(10) << 24 | UInt128(UInt8.random(in: 0...255, using: &random))) & ~mask
            return try #require(CIDR("\(IPAddress(family: .v4, value: value))/\(bits)"))
        }
        for _ in 0..<1000 {
            let (a, b) = (try range(), try range())
            let shared = max(a.base, b.base) <= min(a.last, b.last)
            #expect(a.overlaps(b) == shared && b.overlaps(a) == shared)
            #expect(a.contains(a.base) && a.contains(a.last) && a.contains(a))
        }
    }
}
