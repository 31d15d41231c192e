// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshSystem
import Testing

@testable import Lab

/// Root runs and writes in a lab's directory, so nobody else may have a hand in it.
@Suite("The ground of a lab", .enabled(if: geteuid() == 0, "needs root, to make directories of others"), .serialized)
struct LabGroundTests {
    private let scratch: Scratch
    private static let prefix = RealLab.ownPrefix("g")
    private static let somebody: uid_t = 54321

    init() throws { scratch = try Scratch() }

    private func directory(_ name: String, mode: mode_t = 0o755, owner: uid_t = 0) throws -> String {
        let path = scratch.path + "/" + name
        try #require(mkdir(path, 0o700) == 0 && chown(path, owner, owner) == 0 && chmod(path, mode) == 0)
        return path
    }

    private func refusal(of path: String) throws -> String {
        try "\(#require(throws: LabError.self) { try LabGround(path).check() })"
    }

    @Test("is a directory of ours below directories that nobody else can change, or in a sticky one; what is missing is made")
    func good() throws {
        let sticky = try directory("sticky", mode: 0o1777, owner: 0)
        for path in [try directory("own"), scratch.path + "/a/b/c", sticky + "/lab"] {
            try LabGround(path).make()
            #expect(LabGround(path).isOurs)
        }
        #expect(!LabGround(scratch.path + "/none").isOurs)
    }

    @Test("is refused when another user made it first, when others can write to it, and when it is a link or a file")
    func foreign() throws {
        #expect(try refusal(of: directory("theirs", owner: Self.somebody)).contains("belongs to user 54321"))
        #expect(try refusal(of: directory("group", mode: 0o775)).contains("others may write to it"))
        #expect(try refusal(of: directory("all", mode: 0o1777)).contains("others may write to it"))
        let own = try directory("own")
        try #require(symlink(own, scratch.path + "/link") == 0)
        #expect(try refusal(of: scratch.path + "/link").contains("it is no directory"))
        try LabFiles.write("", to: scratch.path + "/file")
        #expect(try refusal(of: scratch.path + "/file").contains("it is no directory"))
        #expect(try refusal(of: own + "/../own").contains("say it without .."))
    }

    @Test("is refused below a directory from which another user could move it away, and nothing is made there")
    func foreignParent() throws {
        let (theirs, open) = (try directory("theirs", owner: Self.somebody), try directory("open", mode: 0o777))
        let link = try directory("links", mode: 0o1777) + "/way"
        try #require(symlink(try directory("own"), link) == 0 && lchown(link, Self.somebody, Self.somebody) == 0)
        for parent in [theirs, open, link] {
            #expect(try refusal(of: parent + "/lab").contains("name one with --directory"))
            #expect(throws: LabError.self) { try LabGround(parent + "/lab").make() }
            #expect(!LabFiles.exists(parent + "/lab"))
        }
    }

    @Test("that is foreign stops the building before anything is made, and leaves no lab that would have to be taken down")
    func building() async throws {
        let theirs = try directory("lab", owner: Self.somebody)
        let builder = try LabBuilder(LabPlan(directory: theirs, mode: .loopback, prefix: Self.prefix), program: "/bin/true")
        let error = await #expect(throws: LabError.self) { try await builder.up() }
        #expect("\(try #require(error))".contains("belongs to user 54321"))
        #expect(LabFiles.names(in: theirs) == [] && LabLedger.current(Self.prefix) == nil)
    }

    @Test("that became foreign is not believed about processes and not removed")
    func demolition() async throws {
        let path = scratch.path + "/lab"
        let builder = try LabBuilder(LabPlan(directory: path, mode: .loopback, prefix: Self.prefix), program: "/bin/true")
        try await builder.up()
        // A note that names somebody else's program, as an owner of the directory could put it there.
        let victim = try LabProcesses(paths: builder.paths, marker: ("MESHGATE_LAB", "another"))
            .start("victim", "/bin/sleep", ["600"], in: .rootNamespace)
        try #require(chown(path, Self.somebody, Self.somebody) == 0)
        await #expect(throws: LabError.self) { try await LabBuilder.down(prefix: Self.prefix) }
        #expect(victim.isAlive && LabFiles.exists(builder.paths.plan) && LabLedger.current(Self.prefix) == nil)
        #expect(victim.stop(grace: .seconds(5)))
    }

    @Test("is removed without a step outside of it: links go, and what they name stays")
    func removal() throws {
        let precious = try directory("precious")
        try LabFiles.write("here", to: precious + "/file")
        let tree = try directory("tree")
        try LabFiles.makePath(tree + "/a/b")
        try LabFiles.write("", to: tree + "/a/b/file")
        try #require(symlink(precious, tree + "/a/link") == 0 && symlink(precious + "/file", tree + "/link") == 0)
        try LabFiles.removeTree(tree)
        #expect(!LabFiles.exists(tree) && LabFiles.text(precious + "/file") == "here")
        try LabFiles.removeTree(tree)
    }
}
