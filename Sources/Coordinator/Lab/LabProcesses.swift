// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc
internal import MeshSystem

/// The programs that a lab has started, by name, so that one of them can be found, stopped and started again.
package struct LabProcesses: Sendable {
    private let paths: LabPaths
    private let marker: (name: String, value: String)

    /// Whether the notes were written by us alone: each of them names a process that is ended.
    private let believesNotes: Bool

    package init(paths: LabPaths, marker: (name: String, value: String), believesNotes: Bool = true) {
        self.paths = paths
        self.marker = marker
        self.believesNotes = believesNotes
    }

    /// What every program of the lab gets, its mark included.
    var environment: [String: String] { LabTools.environment.merging([marker.name: marker.value]) { _, mark in mark } }

    /// Starts a program and notes it under `name`; its log is `logs/NAME.log`.
    @discardableResult
    package func start(
        _ name: String, _ path: String, _ arguments: [String], environment: [String: String] = [:], in place: LabPlace
    ) throws -> LabProcess {
        let complete = self.environment.merging(environment) { _, given in given }
        let process = try LabLauncher.start(
            LabProgram(path: path, arguments: arguments, environment: complete, log: paths.log(name)), in: place)
        try LabFiles.write(String(decoding: JSONEncoder().encode(process), as: UTF8.self), to: file(name))
        return process
    }

    /// The program noted under `name`, when it is still alive.
    package func find(_ name: String) -> LabProcess? {
        guard let bytes = LabFiles.bytes(file(name)), let process = try? JSONDecoder().decode(LabProcess.self, from: Data(bytes)) else {
            return nil
        }
        return process.isAlive ? process : nil
    }

    /// Stops it; a program that is not there is fine.
    package func stop(_ name: String, grace: Duration = .seconds(5)) throws {
        if let process = find(name), !process.stop(grace: grace) {
            throw LabError.noAnswer(doing: "stop \(name) (process \(process.pid))", waited: grace, remedy: "see \(paths.log(name))")
        }
        try LabFiles.removeTree(file(name))
    }

    /// Every name that was ever started, sorted.
    package var names: [String] {
        LabFiles.names(in: paths.processes).filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
    }

    func initProcess(of node: LabTopology.Node) throws -> LabProcess {
        guard let process = find(Self.initName(node)) else {
            throw LabError.unexpected(doing: "enter \(node.name)", found: "its first process is gone; take the lab down and up again")
        }
        return process
    }

    static func initName(_ node: LabTopology.Node) -> String { "node-\(node.name)" }

    /// Ends every process of the lab, noted or not: first politely, then not.
    func endAll(grace: Duration) throws {
        let clock = ContinuousClock()
        everyone.forEach { $0.signal(SIGTERM) }
        let patienceEnds = clock.now.advanced(by: grace)
        // PID 1 of a node does not hear TERM; everybody else may take until the grace is over.
        for process in everyone where !isInit(process) && clock.now < patienceEnds {
            _ = process.waitForEnd(clock.now.duration(to: patienceEnds))
        }
        for _ in 0..<10 {
            let left = everyone
            if left.isEmpty { return }
            left.forEach { $0.signal(SIGKILL) }
            left.forEach { _ = $0.waitForEnd(.seconds(1)) }
        }
        let left = everyone.map { String($0.pid) }.joined(separator: ", ")
        if !left.isEmpty {
            throw LabError.noAnswer(
                doing: "end the processes \(left)", waited: .seconds(10), remedy: "end them by hand, then take the lab down again")
        }
    }

    /// By mark, and by note: an agent hardens itself so that only root can read its environment.
    private var everyone: Set<LabProcess> {
        Set(LabProcess.all(marked: "\(marker.name)=\(marker.value)")).union(believesNotes ? names.compactMap(find) : [])
    }

    private func isInit(_ process: LabProcess) -> Bool {
        let status = LabFiles.text("/proc/\(process.pid)/status") ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }?.split(separator: "\t").last == "1"
    }

    private func file(_ name: String) -> String { "\(paths.processes)/\(name).json" }
}
