// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("units")
struct UnitTests {
    @Test(
        "sizes are read with IEC units only",
        arguments: [("128GiB", 128 << 30), ("0B", 0), ("512B", 512), ("3TiB", 3 << 40), ("1KiB", 1024)])
    func sizes(_ text: String, _ bytes: UInt64) {
        #expect(ByteCount(text) == ByteCount(bytes: bytes))
        #expect(ByteCount(text)?.description == text)
    }

    @Test(
        "a size without a clear unit is refused",
        arguments: [
            "", "128", "GiB", "128GB", "128G", "1.5GiB", "-1GiB", "+1B", " 1B", "1 GiB", "1gib", "9999999TiB", "18446744073709551616B",
        ])
    func badSizes(_ text: String) { #expect(ByteCount(text) == nil) }

    @Test("a size is shown in the largest unit that holds it exactly")
    func shownSizes() {
        #expect(ByteCount(bytes: 1536 << 20).description == "1536MiB" && ByteCount(bytes: 1025).description == "1025B")
        #expect(ByteCount.gibibytes(1) < ByteCount.gibibytes(2))
    }

    @Test(
        "durations are read from large to small units",
        arguments: [("30s", 30_000), ("10m", 600_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("1500ms", 1500)])
    func spans(_ text: String, _ milliseconds: Int64) { #expect(TimeSpan(text)?.duration == .milliseconds(milliseconds)) }

    @Test(
        "a duration without units, out of order or doubled is refused",
        arguments: ["", "10", "s", "10 m", "30m1h", "1h1h", "-5s", "1.5h", "5min", "99999999999s", "1h30", "٣s"])
    func badSpans(_ text: String) { #expect(TimeSpan(text) == nil) }

    @Test("versions compare by number, and a pre-release comes before its release")
    func versions() throws {
        let sorted = try ["1.9.9", "1.18.0-rc.1", "1.18.0", "v1.18.5", "1.19.0"].map { try #require(SemanticVersion($0)) }
        #expect(sorted == sorted.shuffled().sorted())
        #expect(sorted.map(\.description) == ["1.9.9", "1.18.0-rc.1", "1.18.0", "1.18.5", "1.19.0"])
    }

    @Test(
        "what is not three numbers is no version",
        arguments: [
            "", "1", "1.18", "1.18.5.1", "1.18.x", "1.18.5-", "1.18.5-é", "vv1.1.1", "1..1", "-1.0.0", "01.2.3", "1.18.05", "1.18.5+build",
            "1000000.0.0",
        ])
    func badVersions(_ text: String) { #expect(SemanticVersion(text) == nil) }

    @Test("MAC addresses are shown in lower case")
    func macs() {
        #expect(MACAddress("BC:24:11:00:15:21")?.description == "bc:24:11:00:15:21")
        for text in [
            "", "bc:24:11:00:15", "bc-24-11-00-15-21", "bc:24:11:00:15:2g", "b:c24:11:00:15:21", "bc:24:11:00:15:21:00",
            "bc:24:11:00:15:+1",
        ] {
            #expect(MACAddress(text) == nil, "\(text)")
        }
    }

    @Test("any accepted text has one canonical form that reads back equal, and damage never crashes a reader")
    func fuzz() {
        let seeds = [
            "128GiB", "1h30m5s", "1.18.5-rc.1", "bc:24:11:00:15:21", "192.168.15.11", "fd00::1:0:0:2", "::ffff:10.0.0.1", "10.244.0.0/16",
            "fd00::/8", "2026-11-23T08:40:01.250Z", "talos-east", "talos-east/wrk-e-1/wipe-vdb", String(repeating: "0f", count: 16),
        ]
        let alphabet = Array("0123456789abcdefgGiBmsh.:/-+vTZ xé\u{301}\u{0}")
        var random = SplitMix(seed: 41)
        for seed in seeds {
            for _ in 0..<3000 {
                var text = Array(seed)
                for _ in 0...Int.random(in: 0...2, using: &random) {
                    let at = Int.random(in: 0...text.count, using: &random)
                    let letter = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                    if at == text.count || Bool.random(using: &random) { text.insert(letter, at: at) } else { text[at] = letter }
                }
                readEverything(String(text))
            }
        }
    }

    private func readEverything(_ text: String) {
        func canonical<Value: TextualValue>(_: Value.Type) {
            guard let value = Value(text) else { return }
            #expect(Value(value.description) == value, "\(text)")
            #expect(Value(value.description)?.description == value.description, "\(text)")
        }
        func same<Value: Identifier>(_: Value.Type) {
            guard let value = Value(text) else { return }
            #expect(value.text == text && value.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f })
        }
        canonical(ByteCount.self)
        canonical(TimeSpan.self)
        canonical(SemanticVersion.self)
        canonical(MACAddress.self)
        canonical(IPAddress.self)
        canonical(CIDR.self)
        same(NodeID.self)
        same(ClusterName.self)
        same(StepID.self)
        same(TaskID.self)
        same(RunID.self)
        same(BootID.self)
        same(WarrantID.self)
        if let time = Timestamp(text) { #expect(Timestamp(time.description) == time) }
    }
}
