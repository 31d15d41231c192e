// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// What can go wrong around disks, the replay store and the wiper's socket. A wipe that must not happen is no error but a `TaskRefusal`.
package enum DiskWipeError: Error, Hashable, Sendable, CustomStringConvertible {
    case device(doing: String, on: String, errno: Int32)
    case contentUnreadable(disk: String, problem: String)
    case changedWhileRead(disk: String)
    case storeUnusable(path: String, problem: String)
    case storeWrite(path: String, errno: Int32)
    case onlySignedArming(path: String, problem: String)
    case socketPath(String)
    case socket(doing: String, on: String, errno: Int32)
    case frameTooLong(bytes: Int, limit: Int)
    case frameMalformed(problem: String)
    case connectionEnded(path: String)
    case timedOut(path: String, waited: Duration)
    case unexpectedAnswer(String)
    case hypervisor(path: String, problem: String)
    case stopping
    case hardening(errno: Int32)

    package var description: String {
        switch self {
        case .device(let doing, let on, let number):
            "cannot \(doing) (\(on)): \(explain(number))"
        case .contentUnreadable(let disk, let problem):
            "cannot tell what is on \(disk): \(problem); look at the kernel log for errors of this disk"
        case .changedWhileRead(let disk):
            "\(disk) became another disk while it was read; ask for the inventory again"
        case .storeUnusable(let path, let problem):
            "the replay store \(path) cannot be used: \(problem); no disk is wiped until a new one is armed: `meshgate wipe arm NODE` "
                + "at the coordinator, or, where there never was one, `meshgate-agent wiper arm` here"
        case .storeWrite(let path, let number):
            "cannot record in the replay store \(path): \(explain(number)); no disk is wiped until that works"
        case .onlySignedArming(let path, let problem):
            "\(path) is not sound (\(problem)), and there was a store here before: only a message that an approver signs begins a new one; "
                + "`meshgate wipe arm NODE` at the coordinator writes and hands it in"
        case .socketPath(let path):
            "\"\(path)\" is no path for a Unix socket (absolute, at most 107 bytes)"
        case .socket(let doing, let on, let number):
            "cannot \(doing) (\(on)): \(explain(number))"
        case .frameTooLong(let bytes, let limit):
            "a message of \(bytes) bytes on the wiper's socket is longer than the \(limit) allowed; use programs of the same version"
        case .frameMalformed(let problem):
            "a message on the wiper's socket cannot be read: \(problem); use programs of the same version"
        case .connectionEnded(let path):
            "the wiper at \(path) closed the connection without an answer; is it running, and is our user allowed to ask it?"
        case .timedOut(let path, let waited):
            "the wiper at \(path) said nothing for \(waited); look at its log"
        case .unexpectedAnswer(let what):
            "the wiper answered something else than was asked: \(what); use programs of the same version"
        case .hypervisor(let path, let problem):
            "cannot read what Proxmox knows of its guests in \(path): \(problem); is this a Proxmox host, and may the wiper's user read there "
                + "(group www-data)?"
        case .stopping:
            "the wiper is stopping; ask again when it is back"
        case .hardening(let number):
            "cannot give up privileges before touching disks: \(explain(number))"
        }
    }
}
