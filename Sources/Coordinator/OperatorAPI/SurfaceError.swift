// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Running

/// An answer that is not a success: its HTTP status and its body. All errors become one here.
struct SurfaceError: Error, Sendable {
    var status: Int
    var reply: ErrorReply

    init(_ status: Int, _ code: String, _ message: String, remedy: String? = nil) {
        self.status = status
        reply = ErrorReply(code: code, message: message, remedy: remedy)
    }

    init(_ error: any Error) {
        switch error {
        case let error as SurfaceError: self = error
        case let refusal as BackendRefusal:
            let body = refusal.reply.error
            self.init(refusal.kind.rawValue, body.code, body.message, remedy: body.remedy)
        case let refusal as InputRefusal: self.init(refusal)
        case let error as RunController.ControllerError: self.init(503, "unavailable", "\(error)", remedy: "try again in a moment")
        case is CancellationError: self.init(503, "stopping", "the coordinator is stopping", remedy: "ask again when it is back")
        default: self.init(500, "internal", "the coordinator could not answer: \(error)", remedy: "see the coordinator's log")
        }
    }

    private init(_ refusal: InputRefusal) {
        let (status, code) =
            switch refusal {
            case .runActive: (409, "runActive")
            case .windingDown: (409, "windingDown")
            case .noRun: (404, "noRun")
            case .planFaulty: (400, "planFaulty")
            case .noSuchStep: (404, "noSuchStep")
            case .notAWipe: (400, "notAWipe")
            case .stepOver: (409, "stepOver")
            case .warrantMismatch: (400, "warrantMismatch")
            case .warrantKnown: (409, "warrantKnown")
            case .overrideImpossible: (403, "overrideImpossible")
            case .overrideExpired: (400, "overrideExpired")
            case .overrideUnreasoned: (400, "overrideUnreasoned")
            }
        self.init(status, code, "\(refusal)")
    }

    /// What in a body could not be understood, and where.
    static func malformed(_ error: any Error) -> SurfaceError {
        func place(_ path: [any CodingKey]) -> String {
            let text = path.reduce("") { text, key in
                if let index = key.intValue { return "\(text)[\(index)]" }
                return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
            }
            return text.isEmpty ? "the body" : text
        }
        let words =
            switch error as? DecodingError {
            case .keyNotFound(let key, let context): "\(place(context.codingPath + [key])) is missing"
            case .valueNotFound(_, let context): "\(place(context.codingPath)) is null"
            case .typeMismatch(let type, let context): "\(place(context.codingPath)) is not a \(type): \(context.debugDescription)"
            case .dataCorrupted(let context):
                "\(place(context.codingPath)): \(context.debugDescription)" + (context.underlyingError.map { " \($0)" } ?? "")
            case nil: "\(error)"
            @unknown default: "\(error)"
            }
        return SurfaceError(400, "badJSON", "the request cannot be understood: \(words)", remedy: "docs/openapi.yaml describes each body")
    }
}
