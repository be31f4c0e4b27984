"""Reports on their way to the clinic's PACS, and trying one again."""

from __future__ import annotations

from node.node import Node
from node.reporting.delivery import Delivery, get_delivery, retry_delivery
from node.reporting.delivery import list_deliveries as find_deliveries
from web.api.shapes import Deliveries, DeliveryShape
from web.guard import Sees
from web.routes import ADMINISTRATOR, TECHNICIAN, Call, NoBody, route


@route("GET /api/deliveries", roles=ADMINISTRATOR, sees=Sees.NOTHING)
def list_deliveries(call: Call[NoBody]) -> Deliveries:
    """Give the newest deliveries; what is stuck first."""
    return Deliveries(items=[_shape(one) for one in find_deliveries(call.node.database)])


@route("POST /api/deliveries/{delivery_id}/retry", roles=ADMINISTRATOR | TECHNICIAN, sees=Sees.NOTHING)
def retry(call: Call[NoBody]) -> DeliveryShape:
    """Try a delivery again at once."""
    id_ = call.path["delivery_id"]
    retry_delivery(call.node, id_, call.person, address=call.address)
    return _shape(get_delivery(call.node.database, id_))


def deliveries_of(node: Node, report_id: str) -> list[DeliveryShape]:
    """Describe a report's deliveries."""
    return [_shape(one) for one in find_deliveries(node.database, report_id=report_id)]


def _shape(one: Delivery) -> DeliveryShape:
    return DeliveryShape(
        id=one.id,
        report_id=one.report_id,
        destination=one.destination,
        destination_name=one.destination_name,
        kind=one.kind,
        state=one.state,
        attempts=one.attempts,
        next_at=one.next_at,
        last_error=one.last_error,
        delivered_at=one.delivered_at,
    )


ROUTES = (list_deliveries, retry)
