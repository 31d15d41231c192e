// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@Suite("Names of hosts")
struct HostNameTests {
    @Test(
        "are kept in one form",
        arguments: [
            ("API.Example.COM.", "api.example.com"), ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example", "xn--bcher-kva.example"), ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("ليهمابتكلموشعربي؟.example", ""), ("他们为什么不说中文.example", "xn--ihqwcrb4cv8a8dqg056pqjye.example"),
            ("почемужеонинеговорятпорусски.ru", "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l.ru"),
            ("192.0.2.7", "192.0.2.7"), ("[2001:DB8::1]", "2001:db8::1"), ("::ffff:192.0.2.7", "192.0.2.7"),
            ("a_b.example.com", "a_b.example.com"),
        ])
    func canonical(text: String, wanted: String) {
        #expect(HostName(text)?.description ?? "" == wanted)
        if let host = HostName(text) { #expect(HostName(host.description) == host) }
    }

    @Test(
        "are nothing else",
        arguments: [
            "", ".", "..", "localhost", "a..b", ".a.b", "-a.example.com", "a-.example.com", "a b.example.com", "a.example.com:443",
            "user@a.example.com",
            "https://a.example.com", "a.example.com/x", "1.2.3.400", "1.2.3", "[a.example.com]", "[2001:db8::1", "a.exam\u{202E}ple.com",
            "a.ex\u{200B}ample.com", "a.ex\u{0}ample.com", "a.ex\u{1B}[31mample.com", "☃.example.com",
            String(repeating: "a", count: 64) + ".com",
            String(repeating: "a.", count: 200) + "com", String(repeating: "ü", count: 63) + ".com", String(repeating: "x", count: 1 << 20),
            "%41.example.com",
        ])
    func refused(text: String) {
        #expect(HostName(text) == nil)
        #expect(HostPattern("*." + text) == nil)
    }

    @Test("a pattern means one host, or all below a suffix and not the suffix itself")
    func patterns() throws {
        let host = try #require(HostName("api.eu.example.com"))
        for (pattern, covers) in [
            ("api.eu.example.com", true), ("*.example.com", true), ("*.eu.example.com", true), ("*.api.eu.example.com", false),
            ("*.xample.com", false),
            ("eu.example.com", false), ("*.EXAMPLE.com", true),
        ] { #expect(try #require(HostPattern(pattern)).covers(host) == covers, "\(pattern)") }
        let address = try #require(HostName("192.0.2.7"))
        #expect(HostPattern("192.0.2.7")?.covers(address) == true)
        #expect(
            HostPattern("*.0.2.7") == nil && HostPattern("*.192.0.2.7") == nil && HostPattern("*") == nil && HostPattern("*.com") == nil)
    }

    @Test("whatever is thrown at them, a name that is taken is plain ASCII and stays what it is")
    func fuzz() {
        var generator = SplitMix(seed: 41)
        let alphabet = Array("aZ0-_.:[]@/\\ %üß例\u{202E}\u{0301}\u{3002}\n\u{7F}")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &generator)).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
            )
            guard let host = HostName(text) else { continue }
            #expect(host.description.utf8.count <= 253)
            #expect(
                host.description.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || [0x2D, 0x2E, 0x5F, 0x3A].contains($0)
                })
            #expect(HostName(host.description) == host)
        }
    }
}
