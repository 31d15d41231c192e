// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshTesting
import Testing

@Suite("Warrants at the command line", .timeLimit(.minutes(3)))
struct CommandLineWipeTests {
    /// A warrant's text, good enough to be read.
    private func warrant(_ step: StepID) throws -> String {
        WarrantTerms(
            mesh: "small", id: try SmallMesh.need(WarrantID(String(repeating: "a", count: 32))), plan: .zero, step: step,
            node: try SmallMesh.need(NodeID("wrk-e-1")), nodeKey: .zero, boot: try SmallMesh.need(BootID("aaaaaaaa")),
            store: ReplayStoreMark(id: try SmallMesh.need(ReplayStoreID(String(repeating: "5", count: 32))), records: 1),
            disk: DiskIdentity(
                kind: .virtio, serial: "spare", wwid: nil, sizeInBytes: 12 << 30, sectorSize: 512, path: "0000:00:0a.0", sequence: 3),
            holds: [], fingerprint: .zero, method: .labels, notBefore: Timestamp(seconds: 1_800_000_000),
            notAfter: Timestamp(seconds: 1_800_001_000)
        ).text
    }

    private let step = "east/wrk-e-1/wipe-vdb"

    @Test(
        "a wrong combination is refused before anything is asked, with what is wanted: exit 64",
        arguments: [
            (["request"], "name wipe steps, or --all"), (["request", "--out", "w"], "name wipe steps, or --all"),
            (["request", "a/b", "--all", "--out", "w"], "name wipe steps, or --all"), (["request", "--all"], "need --out DIRECTORY"),
            (["request", "a/b", "c/d"], "need --out DIRECTORY"), (["request", "--all", "--out"], "Missing value for '--out"),
            (["submit"], "name the step, --warrant and --signature; or a directory with --from"),
            (["submit", "a/b"], "name the step, --warrant"), (["submit", "a/b", "--warrant", "w"], "name the step, --warrant"),
            (["submit", "a/b", "--signature", "s"], "name the step, --warrant"),
            (["submit", "--warrant", "w", "--signature", "s"], "name the step, --warrant"),
            (["submit", "--from", "w", "a/b"], "--from takes no step and no other file"),
            (["submit", "--from", "w", "--warrant", "w"], "--from takes no step and no other file"),
            (["submit", "--from", "w", "--signature", "s"], "--from takes no step and no other file"),
            (["arm", "n", "m", "--key", "k"], "Unexpected argument 'm'"),
            (["arm"], "Missing expected argument '<node>'"),
            (["arm", "n"], "give one of --key, --print, or --message"), (["arm", "n", "--key", "k", "--print"], "give one of --key"),
            (["arm", "n", "--key", "k", "--message", "m", "--signature", "s"], "give one of --key"),
            (["arm", "n", "--print", "--message", "m", "--signature", "s"], "give one of --key"),
            (["arm", "n", "--message", "m"], "--message and --signature go together"),
            (["arm", "n", "--key", "k", "--signature", "s"], "--message and --signature go together"),
            (["arm", "n", "--signature", "s"], "give one of --key"), (["verify", "--warrant", "w"], "Missing expected argument"),
        ])
    func usage(_ arguments: [String], _ words: String) async throws {
        let place = try Place()
        let ending = try await Programs.run(
            ["wipe"] + arguments + ["--state-dir", place.path].filter { _ in arguments[0] != "verify" }, home: place.path)
        #expect(ending.code == 64 && ending.output.isEmpty && ending.errors.contains(words), "\(arguments): \(ending.code) \(ending.all)")
        #expect(ending.errors.contains("Usage: meshgate wipe \(arguments[0])"), "\(ending.errors)")
    }

    @Test("right combinations get as far as the coordinator that is not there: exit 69, and no directory is made")
    func right() async throws {
        let place = try Place()
        for arguments in [
            ["request", "--all", "--out", "w"], ["request", step], ["request", step, "east/wrk-e-2/wipe-vdb", "--out", "w"],
            ["arm", "wrk-e-1", "--key", "k"], ["arm", "wrk-e-1", "--print"], ["arm", "wrk-e-1", "--key", "k", "--confirm", "wrk-e-1"],
        ] {
            let ending = try await Programs.run(["wipe"] + arguments + ["--state-dir", place.path], home: place.path)
            #expect(ending.code == 69 && ending.errors.contains("no coordinator answers"), "\(arguments): \(ending.code) \(ending.all)")
        }
        #expect(!FileManager.default.fileExists(atPath: place.path + "/w"))
    }

    @Test("a node or step that is no name is refused before the coordinator is asked")
    func names() async throws {
        let place = try Place()
        for name in ["wrk e 1", "", "../etc", "wrk-e-1\u{1B}[2J", String(repeating: "n", count: 300)] {
            let ending = try await Programs.run(["wipe", "arm", name, "--key", "k", "--state-dir", place.path], home: place.path)
            #expect(ending.code == 65 && ending.output.isEmpty, "\(name): \(ending.code) \(ending.all)")
        }
        let files = try ["--warrant", place.put("w", "text\n"), "--signature", place.put("s", "signature\n"), "--state-dir", place.path]
        let ending = try await Programs.run(["wipe", "submit", "no step"] + files, home: place.path)
        #expect(ending.code == 64 && ending.errors.contains("no step"), "\(ending.code) \(ending.all)")
        let good = try await Programs.run(["wipe", "submit", step] + files, home: place.path)
        #expect(good.code == 69, "\(good.code) \(good.all)")
    }

    @Test("a file that is not there is named: exit 65")
    func absentFiles() async throws {
        let place = try Place()
        let there = try place.put("there", "x\n")
        for (arguments, missing) in [
            (["submit", step, "--warrant", "none", "--signature", there], "none"),
            (["submit", step, "--warrant", there, "--signature", "gone"], "gone"),
            (["arm", "wrk-e-1", "--message", "none", "--signature", there], "none"),
            (["arm", "wrk-e-1", "--message", there, "--signature", there, "--signature", "gone"], "gone"),
        ] {
            let ending = try await Programs.run(["wipe"] + arguments + ["--state-dir", place.path], home: place.path)
            #expect(
                ending.code == 65 && ending.errors.contains("there is no file \(missing)"), "\(arguments): \(ending.code) \(ending.all)")
        }
    }

    @Test("a directory is judged as a whole before the first warrant is handed in")
    func directory() async throws {
        let place = try Place()
        func submit() async throws -> Ending {
            try await Programs.run(["wipe", "submit", "--from", "w", "--state-dir", place.path], home: place.path)
        }
        let absent = try await submit()
        #expect(absent.code == 65 && absent.errors.contains("there is no .txt file in \(place.path)/w"), "\(absent.all)")
        try FileManager.default.createDirectory(atPath: place.path + "/w", withIntermediateDirectories: false)
        try place.put("w/notes.md", "no warrant\n")
        try place.put("w/lonely.txt.sig", "signature\n")
        let empty = try await submit()
        #expect(empty.code == 65 && empty.errors.contains("there is no .txt file in \(place.path)/w"), "\(empty.all)")
        try place.put("w/one.txt", try warrant(StepID("east", "wrk-e-1", "wipe-vdb")))
        try place.put("w/one.txt.sig", "signature\n")
        try place.put("w/one.txt.bob.sig", "signature\n")
        let good = try await submit()
        #expect(good.code == 69, "it goes on to the coordinator: \(good.all)")
        try place.put("w/two.txt", try warrant(StepID("east", "wrk-e-2", "wipe-vdb")))
        let unsigned = try await submit()
        #expect(
            unsigned.code == 65 && unsigned.output.isEmpty
                && unsigned.errors.contains("\(place.path)/w/two.txt has no signature beside it (two.txt.sig); nothing was handed in"),
            "\(unsigned.all)")
        try place.put("w/two.txt.sig", "signature\n")
        #expect(try await submit().code == 69)
        try place.put("w/two.txt", try warrant(StepID("east", "wrk-e-2", "wipe-vdb")) + "more: 1\n")
        let malformed = try await submit()
        #expect(
            malformed.code == 65 && malformed.errors.contains("\(place.path)/w/two.txt is not a warrant: ")
                && malformed.errors.contains("nothing was handed in"), "\(malformed.all)")
    }
}
