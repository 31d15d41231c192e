// SPDX-License-Identifier: Apache-2.0

/// Why bytes from the other side are not what they should be. Decoding refuses; encoding cannot fail.
package enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The announced length is above what this side takes in this state.
    case frameTooLong(bytes: Int, limit: Int)
    /// A frame of no bytes says nothing.
    case emptyFrame
    /// Not protobuf, or not of this message.
    case notProtobuf(message: String)
    /// A Hello in another version than ours; what else it says cannot be read safely.
    case otherProtocol(theirs: UInt32)
    /// A frame without a body that this version knows.
    case unknownBody(message: String)
    /// One field that breaks its rule; `place` is the path to it, such as `report.facts[3].disk.size`.
    case badField(place: String, problem: String)

    package var description: String {
        switch self {
        case .frameTooLong(let bytes, let limit):
            "read a frame: \(bytes) bytes were announced and at most \(limit) are taken; the session ends"
        case .emptyFrame: "read a frame: its length is zero; the session ends"
        case .notProtobuf(let message): "read \(message): the bytes are not that message; is the other side a meshgate program?"
        case .otherProtocol(let theirs):
            theirs > LinkProtocol.version
                ? "this coordinator speaks protocol \(LinkProtocol.version) and the agent speaks \(theirs); upgrade the coordinator or downgrade the agent"
                : "this coordinator speaks protocol \(LinkProtocol.version) and the agent speaks \(theirs); upgrade the agent"
        case .unknownBody(let message): "read \(message): it carries nothing that this version knows; upgrade the older side"
        case .badField(let place, let problem): "read \(place): \(problem)"
        }
    }
}
