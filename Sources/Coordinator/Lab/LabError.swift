// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// What can go wrong with a lab.
package enum LabError: Error, CustomStringConvertible {
    case badPlan(String)
    case missing([LabPreflight.Finding])
    case alreadyUp(directory: String)
    case notUp(prefix: String)
    case notOurs(what: String)
    case directoryInUse(path: String)
    case foreignGround(path: String, why: String)
    case system(doing: String, on: String, errno: Int32)
    case launch(program: String, doing: String, errno: Int32)
    case notReady(program: String, said: String, log: String)
    case tool(command: String, exit: String, said: String)
    case unexpected(doing: String, found: String)
    case unknownNode(String)
    case noAnswer(doing: String, waited: Duration, remedy: String)
    case usage(String)

    package var description: String {
        switch self {
        case .badPlan(let problem): "this lab cannot be built: \(problem)"
        case .missing(let findings):
            "the lab cannot be built here: \(findings.map { "\($0.problem) (\($0.remedy))" }.joined(separator: "; "))"
        case .alreadyUp(let directory): "a lab is up already in \(directory); use it, or take it down with `meshgate lab down`"
        case .notUp(let prefix): "no lab with the name prefix \"\(prefix)\" is up on this machine; `meshgate lab up` makes one"
        case .notOurs(let what): "\(what) is there already and no lab of ours made it; remove it or choose another name prefix"
        case .directoryInUse(let path): "\(path) is not empty and is not a lab; choose another directory"
        case .foreignGround(let path, let why):
            "the lab is not built in \(path), where somebody else could change what it runs and writes: \(why); remove that directory, or name "
                + "one with --directory that only you can write to, below directories that nobody else can write to"
        case .system(let doing, let on, let number): "cannot \(doing) (\(on)): \(explain(number))"
        case .launch(let program, let doing, let number): "cannot start \(program) (\(doing)): \(explain(number))"
        case .notReady(let program, let said, let log):
            "\(program) did not become ready\(said.isEmpty ? "" : ": \(said)"); its log is \(log)"
        case .tool(let command, let exit, let said): "`\(command)` ended with \(exit)\(said.isEmpty ? "" : ": \(said)")"
        case .unexpected(let doing, let found): "cannot \(doing): found \"\(found)\""
        case .unknownNode(let name): "the lab has no node \"\(name)\"; `meshgate lab status` lists them"
        case .noAnswer(let doing, let waited, let remedy): "waited \(waited) to \(doing), in vain; \(remedy)"
        case .usage(let text): text
        }
    }
}
