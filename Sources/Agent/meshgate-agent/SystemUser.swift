// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshModel

/// A user of this host, by name or number, with the group that a shared socket is given to.
struct SystemUser {
    let id: UInt32
    let group: UInt32

    init(_ text: String) throws {
        if let entry = getpwnam(text) {
            (id, group) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
        } else if let number = UInt32(text) {
            // A container may have no passwd file; then user and group bear the same number.
            (id, group) = (number, getpwuid(number)?.pointee.pw_gid ?? number)
        } else {
            throw AgentFailure(.configuration, "there is no user \"\(printable(text))\" on this host; create it or correct agent-user")
        }
    }
}
