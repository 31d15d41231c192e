// SPDX-License-Identifier: Apache-2.0

import MeshConfig
import MeshTesting
import Testing

@Suite("hostile mesh files", .timeLimit(.minutes(2)))
struct HostileInputTests {
    @Test("endless nesting or length is one clear fault, and quick", arguments: ["[", "{a: ", "- ", "? ", "[{", "x:\n"])
    func nesting(_ unit: String) {
        let text = String(repeating: unit, count: (10 << 20) / unit.utf8.count)
        let clock = ContinuousClock()
        let started = clock.now
        let told = faults(in: text)
        #expect(clock.now - started < .seconds(120))
        #expect(told.count == 1)
        #expect(told.first?.contains(unit == "x:\n" ? "a million entries" : "deep") == true, "\(told)")
    }

    @Test("indentation deeper than any mesh is refused without a crash", arguments: [50, 80, 900, 1100])
    func staircase(_ levels: Int) {
        let text = (0..<levels).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        let told = faults(in: text)
        #expect(!told.isEmpty)
        if (65...1000).contains(levels) { #expect(told.contains { $0.contains("deep") }, "\(told.first ?? "")") }
    }

    @Test("aliases cannot multiply, not even as keys")
    func bomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<30 {
            text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
        }
        text += "? *a29\n: boom\n"
        let told = faults(in: text)
        #expect(told.contains { $0.contains("anchors") }, "\(told)")
    }

    @Test("any small damage to the file either reads or is told with a place in it")
    func mutations() throws {
        let original = Array(try fixture("mesh.yaml").utf8)
        var random = SplitMix(seed: 2026)
        let clock = ContinuousClock()
        let started = clock.now
        var (read, refused) = (0, 0)
        for _ in 0..<3000 where clock.now - started < .seconds(60) {
            let bytes = mutated(original, by: &random)
            let lines = bytes.count { $0 == 10 || $0 == 13 } + 1
            do throws(MeshFaults) {
                let mesh = try readMesh(bytes: bytes, file: "m")
                #expect(try readMesh(text: renderSpec(mesh.spec), file: "m").spec == mesh.spec)
                read += 1
            } catch {
                refused += 1
                #expect(!error.faults.isEmpty)
                let odd = error.faults.filter { !(1...lines).contains($0.line) || $0.column < 1 || $0.message.isEmpty }
                #expect(odd.isEmpty, "\(lines) lines, \(odd)")
            }
        }
        #expect(read > 100 && refused > 100, "read \(read), refused \(refused)")
    }

    private func mutated(_ original: [UInt8], by random: inout SplitMix) -> [UInt8] {
        var bytes = original
        let pieces = [
            "[", "]", "{", "}", ":", "- ", "\n", "\t", "\"", "'", "&a", "*a", "#", "!", "|", ">", "%", "\u{1}", "é", "\r", "---\n", "  ",
        ]
        for _ in 0...Int.random(in: 0...3, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            case 2: bytes.insert(contentsOf: (pieces.randomElement(using: &random) ?? "").utf8, at: at)
            case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...80, using: &random)))
            case 4: bytes[at] = UInt8.random(in: 0x61...0x7a, using: &random)
            default: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + Int.random(in: 1...200, using: &random))], at: at)
            }
            if bytes.isEmpty { bytes = [10] }
        }
        if Int.random(in: 0..<20, using: &random) == 0 { bytes.removeSubrange(Int.random(in: 1...bytes.count, using: &random)...) }
        return bytes
    }
}
