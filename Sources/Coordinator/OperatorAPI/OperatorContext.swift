// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import Logging

/// One request and the connection that it came on.
struct OperatorContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let peer: ConnectionPeer?

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        peer = ConnectionPeer.current
    }
}
