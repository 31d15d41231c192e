// SPDX-License-Identifier: Apache-2.0

internal import MeshSystem

/// What can go wrong around disks and the replay store. A wipe that must not happen is no error but a `TaskRefusal`.
package enum DiskWipeError: Error, Hashable, Sendable, CustomStringConvertible {
    case device(doing: String, on: String, errno: Int32)
    case contentUnreadable(disk: String, problem: String)
    case changedWhileRead(disk: String)
    case storeUnusable(path: String, problem: String)
    case storeWrite(path: String, errno: Int32)
    case onlySignedArming(path: String, problem: String)
    case hypervisor(path: String, problem: String)
    case stopping

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
        case .hypervisor(let path, let problem):
            "cannot read what Proxmox knows of its guests in \(path): \(problem); is this a Proxmox host, and may the wiper's user read there "
                + "(group www-data)?"
        case .stopping:
            "the wiper is stopping; ask again when it is back"
        }
    }
}
