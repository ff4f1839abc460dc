"""moto's server, which makes the route tables of a stack but never deletes them, and then can't delete their network."""

import sys

from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.server import main


def delete(self, account_id, region_name):
    ec2_backends[account_id][region_name].delete_route_table(self.id)


RouteTable.delete = delete
main(sys.argv[1:])
