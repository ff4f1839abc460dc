"""Prints as JSON what the emulator still holds of a stack that was destroyed: nothing, where all is well."""

import json
import sys

import boto3

stack_name, bucket = sys.argv[1], sys.argv[2]
ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
cloudformation, logs, iam = boto3.client("cloudformation"), boto3.client("logs"), boto3.client("iam")
ssm = boto3.client("ssm")

machines = [each for group in ec2.describe_instances()["Reservations"] for each in group["Instances"]]
vpcs = [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]]
groups = ec2.describe_security_groups()["SecurityGroups"]
stacks = cloudformation.describe_stacks()["Stacks"]
left = {
    "stacks": [each["StackName"] for each in stacks if each["StackName"] == stack_name],
    "machines": [each["InstanceId"] for each in machines if each["State"]["Name"] != "terminated"],
    "networks": vpcs,
    "subnets": [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"] if each["VpcId"] in vpcs],
    "securityGroups": [each["GroupName"] for each in groups if each["GroupName"] != "default"],
    "endpoints": [each["VpcEndpointId"] for each in ec2.describe_vpc_endpoints()["VpcEndpoints"]],
    "routeTables": [
        each["RouteTableId"] for each in ec2.describe_route_tables()["RouteTables"] if each["VpcId"] in vpcs
    ],
    "gateways": [each["InternetGatewayId"] for each in ec2.describe_internet_gateways()["InternetGateways"]],
    "balancers": [each["DNSName"] for each in elb.describe_load_balancers()["LoadBalancers"]],
    "targetGroups": [each["TargetGroupName"] for each in elb.describe_target_groups()["TargetGroups"]],
    "logGroups": [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]],
    "parameters": [
        each["Name"]
        for each in ssm.describe_parameters()["Parameters"]
        if not each["Name"].startswith("/cdk-bootstrap/")
    ],
    "roles": [each["RoleName"] for each in iam.list_roles()["Roles"] if stack_name in each["RoleName"]],
    "profiles": [
        each["InstanceProfileName"]
        for each in iam.list_instance_profiles()["InstanceProfiles"]
        if stack_name in each["InstanceProfileName"]
    ],
}
json.dump({what: names for what, names in left.items() if names}, sys.stdout)
