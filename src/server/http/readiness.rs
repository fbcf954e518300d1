//! `/health` and `/ready`: the health of a node as JSON.

use hyper::{Response, StatusCode};

use super::response::{ResponseBody, json_response};
use crate::contract::HealthReport;

/// Returns the answer to `/health`.
pub(super) fn health(health: &impl HealthReport) -> Response<ResponseBody> {
    json_response(&health.report())
}

/// Returns the answer to `/ready`: the same body under a status that load balancers understand.
pub(super) fn ready(node: &impl HealthReport) -> Response<ResponseBody> {
    let mut response = health(node);
    if !node.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

#[cfg(test)]
mod tests {
    use acklog_protocol::SecondaryHealth;

    use super::*;
    use crate::contract::{OfSecondary, health_of_test};

    #[test]
    fn readiness_is_a_status_and_health_is_always_200() {
        let health = health_of_test::secondary();
        for (connected, status) in [(true, 200), (false, 503)] {
            let node =
                OfSecondary(SecondaryHealth { connected, ..health.clone() }, "m:1".to_owned());
            assert_eq!(ready(&node).status().as_u16(), status);
            assert_eq!(self::health(&node).status(), StatusCode::OK);
        }
    }
}
