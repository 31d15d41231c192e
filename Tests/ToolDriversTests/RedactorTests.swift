// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import Testing

@testable import ToolDrivers

@Suite("What is kept of a tool's call")
struct RedactorTests {
    @Test(
        "what has the shape of a secret is taken out",
        arguments: [
            "token dp.st.dev.abcdefghijklmnopqrstuvwx", "Authorization: Bearer abcdefghijk", "password=hunter22",
            #"{"client_secret":"hunter22abc"}"#, #"\"api_key\" : \"hunter22abc\""#, "PVEAPIToken=root@pam!x=hunter22abc",
            "client-key-data: aHVudGVyMjJodW50ZXIyMg==", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxMjMifQ.hunter22hunter22",
            "AGE-SECRET-KEY-1QQQQHUNTER22QQQQQQQ", "secret = \"hunter22\"",
        ])
    func shapes(_ text: String) {
        let clean = Redactor().clean(text)
        #expect(clean.contains(Redactor.mark))
        for rest in ["hunter22", "HUNTER22", "abcdefghijk", "aHVudGVy"] { #expect(!clean.contains(rest), "\(clean)") }
    }

    @Test(
        "ordinary words stay",
        arguments: [
            "Secret: kube-system/cilium-ca not found", "creating secret cilium-ca in namespace kube-system", "Error: token expired",
            "/var/lib/meshgate/work/terraform/0123456789ab/data/providers/registry.terraform.io/bpg/proxmox",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "terraform_data.east: create done in 3 s",
        ])
    func prose(_ text: String) { #expect(Redactor().clean(text) == text) }

    @Test("a private key goes whole, and to the end of the text when its end was cut off; a certificate stays")
    func keys() {
        let key = "before\n-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n-----END EC PRIVATE KEY-----\nafter"
        #expect(Redactor().clean(key) == "before\n[redacted]\nafter")
        #expect(Redactor().clean("x -----BEGIN PRIVATE KEY-----\nabc\ndef") == "x [redacted]")
        let certificate = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----"
        #expect(Redactor().clean(certificate) == certificate)
    }

    @Test("known values go wherever they stand, the longer ones first, and short ones are left as words")
    func known() {
        let redactor = Redactor(secrets: ["correct-horse", "correct-horse-battery", "yes"])
        #expect(redactor.clean("(correct-horse-battery) correct-horseyes") == "([redacted]) [redacted]yes")
    }

    @Test("whatever the bytes, cleaning ends and never adds a secret")
    func fuzz() {
        var generator = SplitMix(seed: 0x7E44)
        let pieces = [
            "-----BEGIN ", "PRIVATE KEY-----", "-----END ", "token", "=", "\"", ":", " ", "eyJ", ".", "hunter22", "\n", "Bearer ", "é",
            "\\",
        ]
        for _ in 0..<2000 {
            let text = (0..<Int.random(in: 0...20, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            #expect(!Redactor(secrets: ["hunter22"]).clean(text).contains("hunter22"))
        }
    }

    @Test("a long stream keeps its beginning and its end in whole lines")
    func bounded() {
        let text = (0..<20_000).map { "line \($0)\n" }.joined()
        let kept = TranscriptBook.bounded(Array(text.utf8))
        #expect(kept.text.hasPrefix("line 0\nline 1\n"))
        #expect(kept.text.hasSuffix("line 19999\n"))
        #expect(kept.text.utf8.count < TranscriptBook.longestStream + 64)
        #expect(kept.text.contains("[... \(kept.omitted) bytes ...]"))
        #expect(TranscriptBook.bounded(Array(repeating: UInt8(ascii: "x"), count: 100_000)).omitted == 100_000)
    }

    @Test("each call leaves one transcript: its arguments and end, redacted, without the values of its environment")
    func transcript() async throws {
        try await TerraformBench.with("", tool: "echo password=hunter22; echo $SECRET >&2; exit 3") { bench in
            let tools = try bench.tools
            let result = try await tools.run(
                "terraform", ["--token=hunter22"], deadline: .seconds(20), extra: ["SECRET": "hunter22"], call: .init(secrets: ["hunter22"])
            )
            #expect(result.exit == .exited(3))
            let names = try #require(try TerraformBench.files.list(bench.root + "/work/transcripts"))
            #expect(names.count == 1)
            let bytes = try #require(try TerraformBench.files.read(bench.root + "/work/transcripts/" + names[0], limit: 1 << 20))
            let transcript = try JSONDecoder().decode(ToolTranscript.self, from: Data(bytes))
            #expect(transcript.arguments == ["--token=[redacted]"])
            #expect(transcript.ending == "exit code 3")
            #expect(transcript.output == "password=[redacted]\n")
            #expect(transcript.errorOutput == "[redacted]\n")
            #expect(transcript.variables.contains("SECRET"))
            #expect(!String(decoding: bytes, as: UTF8.self).contains("hunter22"))
            // Its home and its temporary files were ours.
            #expect(try TerraformBench.files.list(bench.root + "/work")?.contains("home") == true)
        }
    }
}
