// SPDX-License-Identifier: Apache-2.0

import GRPCStream
import Telemetry
import Testing

@Suite struct GRPCAddressTests {
    @Test(
        "sockets and ports as Tetragon, Hubble and people write them",
        arguments: [
            ("unix:///var/run/tetragon/tetragon.sock", "unix:///var/run/tetragon/tetragon.sock"),
            ("unix:/run/x.sock", "unix:///run/x.sock"),
            ("/run/x.sock", "unix:///run/x.sock"), ("localhost:54321", "localhost:54321"), ("10.0.0.1:4244", "10.0.0.1:4244"),
            ("[fd00::1]:4244", "[fd00::1]:4244"),
        ])
    func reads(text: String, wanted: String) { #expect(GRPCAddress(text).map { "\($0)" } == wanted) }

    @Test(
        "nothing else is an address",
        arguments: [
            "", ":", "x", "host:", "host:0", "host:65536", "ho st:1", "[host]:1", "[::1]", "unix://relative", "unix://", "-x:1", "a/b:1",
            "/" + String(repeating: "x", count: 107), "/with\0zero",
        ])
    func refuses(text: String) { #expect(GRPCAddress(text) == nil) }

    @Test(
        "only this host is asked without TLS",
        arguments: [
            ("/run/x.sock", true), ("localhost:1", true), ("127.0.0.1:1", true), ("[::1]:1", true), ("127.0.0.1.evil.example:1", false),
            ("127.example:1", false), ("10.0.0.1:1", false), ("relay.example:443", false),
        ])
    func loopback(text: String, isOnThisHost: Bool) { #expect(GRPCAddress(text)?.isOnThisHost == isOnThisHost) }

    @Test("of an answer the fields before its fault are there, and numbers that come again count last") func fields() {
        let fields = ProtoFields([0x08, 0x01, 0x12, 0x02, 0x68, 0x69, 0x08, 0x05, 0x12, 0x7f, 0x00])
        #expect(fields.value(1)?.number == 5 && fields.all(1).map(\.number) == [1, 5])
        #expect(fields.value(2)?.text == "hi" && fields.value(3) == nil)
    }

    @Test("no number of lost events is believed that would end all counting") func believable() {
        #expect(SourceLimits.believable(.max) < 1 << 40 && SourceLimits.believable(412) == 412)
    }
}
