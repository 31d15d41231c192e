// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// A program that a lab starts. Nothing is inherited; the environment is exactly what stands here.
package struct LabProgram: Hashable, Sendable {
    /// An absolute path.
    package var path: String
    package var arguments: [String]
    package var environment: [String: String]
    /// Output and errors are appended here.
    package var log: String
    package init(path: String, arguments: [String], environment: [String: String], log: String) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.log = log
    }
}

/// Where a program of a lab runs.
package enum LabPlace: Hashable, Sendable {
    case rootNamespace
    /// In the named network namespace, and otherwise where we are.
    case network(String)
    /// As PID 1 of new mount and PID namespaces, inside the named network namespace.
    case newNode(network: String)
    /// In the namespaces of the PID 1 that a node already has.
    case node(LabProcess)
}

/// Starts programs through the C shims, without shell, nsenter or unshare.
package enum LabLauncher {
    /// Starts a program that outlives us. A new node's first program says itself when it is ready (descriptor 3); we wait for that.
    package static func start(_ program: LabProgram, in place: LabPlace) throws -> LabProcess {
        let output = open(program.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard output >= 0 else { throw LabError.system(doing: "open a log", on: program.log, errno: errno) }
        defer { close(output) }
        var stage: Int32 = 0
        var said = [CChar](repeating: 0, count: 1024)
        let pid = try withLaunch(program, place, output: output) { launch in
            meshgate_launch(&launch, 10_000, &stage, &said, said.count)
        }
        let name = program.path.split(separator: "/").last.map(String.init) ?? program.path
        guard pid > 0 else {
            if stage == Int32(MESHGATE_LAUNCH_READY.rawValue) {
                let text = String(decoding: said.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                throw LabError.notReady(program: name, said: text, log: program.log)
            }
            throw LabError.launch(program: name, doing: explain(stage: stage), errno: -pid)
        }
        guard let process = LabProcess(pid: pid) else { throw LabError.notReady(program: name, said: "it ended at once", log: program.log) }
        return process
    }

    /// Runs a program with our own streams until it ends; its exit code, or 128 and the signal that ended it.
    package static func runAttached(_ program: LabProgram, in place: LabPlace) throws -> Int32 {
        var stage: Int32 = 0
        let code = try withLaunch(program, place, output: -1) { launch in meshgate_launch_attached(&launch, &stage) }
        guard code >= 0 else { throw LabError.launch(program: program.path, doing: explain(stage: stage), errno: -code) }
        return code
    }

    private static func withLaunch(
        _ program: LabProgram, _ place: LabPlace, output: Int32, _ body: (inout meshgate_launch) -> Int32
    ) throws -> Int32 {
        let namespaces = try Namespaces(place)
        let arguments = CStringList([program.path] + program.arguments)
        let environment = CStringList(program.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        var isNewNode: Int32 = 0
        if case .newNode = place { isNewNode = 1 }
        return program.path.withCString { path in
            "/".withCString { directory in
                var launch = meshgate_launch(
                    path: path, arguments: arguments.pointers, environment: environment.pointers, directory: directory,
                    network: namespaces.network, beside: namespaces.beside, isolate: isNewNode,
                    output: output, says_when_ready: isNewNode)
                return withExtendedLifetime((namespaces, arguments, environment)) { body(&launch) }
            }
        }
    }

    private static func explain(stage: Int32) -> String {
        switch UInt32(bitPattern: stage) {
        case MESHGATE_LAUNCH_NETWORK.rawValue: "enter its network namespace"
        case MESHGATE_LAUNCH_BESIDE.rawValue: "enter its node"
        case MESHGATE_LAUNCH_ISOLATE.rawValue: "make its namespaces"
        case MESHGATE_LAUNCH_STREAMS.rawValue: "give it its streams"
        case MESHGATE_LAUNCH_DIRECTORY.rawValue: "enter its directory"
        case MESHGATE_LAUNCH_EXEC.rawValue: "execute it"
        default: "fork"
        }
    }
}

/// Open namespaces, closed when this goes away.
private final class Namespaces {
    private(set) var network: Int32 = -1
    private(set) var beside: Int32 = -1

    init(_ place: LabPlace) throws {
        switch place {
        case .rootNamespace: break
        case .newNode(let name), .network(let name):
            let path = "/run/netns/\(name)"
            network = open(path, O_RDONLY | O_CLOEXEC)
            guard network >= 0 else { throw LabError.system(doing: "open a network namespace of the lab", on: path, errno: errno) }
        case .node(let initProcess):
            beside = meshgate_pidfd_open(initProcess.pid)
            guard beside >= 0, initProcess.isAlive else {
                throw LabError.system(doing: "find the first process of a node", on: "process \(initProcess.pid)", errno: ESRCH)
            }
        }
    }

    deinit { for descriptor in [network, beside] where descriptor >= 0 { close(descriptor) } }
}

/// A null-terminated array of C strings, freed when this goes away.
private final class CStringList {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { (pointers + index).initialize(to: strdup(string)) }
        (pointers + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
