// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

@Suite("What keeps the coordinator from starting", .timeLimit(.minutes(4)))
struct ServeStartTests {
    private func serve(_ place: Place, state: String, _ more: String...) async throws -> Ending {
        try await Programs.run(
            ["serve", "--state-dir", state, "--listen", "127.0.0.1:0", "--http", "none"] + more, home: place.path, deadline: .seconds(30))
    }

    @Test("the directory's other coordinator is named; an address in use is named: exit 69")
    func inUse() async throws {
        let stage = try await ServeStage(operators: true)
        let holder = try stage.process()
        let second = try await serve(stage.place, state: stage.state)
        #expect(second.code == 69 && second.errors.contains("is locked by process \(holder)"), "\(second.all)")
        #expect(try await stage.ask("status").code == 0)
        for (listener, option) in [
            ("listening for agents", "--listen"), ("listening for metrics", "--http"), ("listening for operators", "--operators"),
        ] {
            let taken = try await stage.address(listener)
            let refused = try await serve(stage.place, state: stage.place.path + "/s\(option)", option, taken)
            #expect(refused.code == 69, "\(option): \(refused.all)")
            let port = try #require(taken.split(separator: ":").last)
            let last = try #require(refused.errors.split(separator: "\n").last)
            #expect(last.contains("Address already in use") && last.contains(port), "\(last)")
            #expect(last.hasPrefix("meshgate: cannot listen") && !last.contains("errno"), "\(last)")
        }
    }

    @Test("a directory of somebody else, a file in its place and a path too long for a socket are told apart")
    func places() async throws {
        let place = try Place()
        let foreign = place.path + "/foreign"
        try FileManager.default.createDirectory(atPath: foreign, withIntermediateDirectories: false)
        if geteuid() == 0 {
            #expect(chown(foreign, 65534, 65534) == 0)
            let refused = try await serve(place, state: foreign)
            #expect(refused.code == 77 && refused.errors.contains("\(foreign) belongs to user id 65534, we run as 0"), "\(refused.all)")
        } else {
            #expect(chmod(foreign, 0o555) == 0)
            let refused = try await serve(place, state: foreign + "/inside")
            #expect(refused.code == 77 && refused.errors.contains("Permission denied"), "\(refused.all)")
        }
        let file = try await serve(place, state: try place.put("file", ""))
        #expect(file.code == 78 && file.errors.contains("Not a directory"), "\(file.all)")
        let long = try await serve(place, state: place.path + "/" + String(repeating: "x", count: 100))
        #expect(long.code == 78 && long.errors.contains("choose a shorter --state-dir"), "\(long.all)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == ["file", "foreign"])
    }

    @Test("a state directory belongs to one mesh, and wrong usage leaves nothing behind")
    func meshes() async throws {
        let stage = try await ServeStage()
        try await stage.end()
        let other = try await serve(stage.place, state: stage.state, "--mesh-name", "other")
        #expect(
            other.code == 78 && other.errors.contains("belongs to mesh \"quay\", not \"other\"; use another --state-dir"), "\(other.all)"
        )
        let fresh = stage.place.path + "/fresh"
        for (arguments, code) in [
            (["--listen", "nonsense"], 64), (["--listen", "coordinator.lan:1"], 64), (["--listen", "127.0.0.1:70000"], 64),
            (["--http", "7480"], 64), (["--operators", "x"], 64), (["--log-level", "loud"], 64), (["--mesh", "/nowhere/mesh.yaml"], 65),
            (["--mesh-name", "Not A Name"], 64),
        ] as [([String], Int32)] {
            let refused = try await Programs.run(["serve", "--state-dir", fresh] + arguments, home: stage.place.path)
            #expect(refused.code == code && refused.errors.hasPrefix("meshgate: "), "\(arguments): \(refused.all)")
            #expect(
                refused.errors.contains(arguments[1].split(separator: ":")[0]) && refused.errors.count { $0 == "\n" } == 1,
                "\(refused.errors)"
            )
        }
        #expect(!FileManager.default.fileExists(atPath: fresh))
    }
}
