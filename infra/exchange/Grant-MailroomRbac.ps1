<#
.SYNOPSIS
    Lets Mailroom send as single mailboxes, and read what comes back to them: RBAC for applications.
.DESCRIPTION
    The preferred way, with the least privilege. The mailboxes are members of a mail-enabled security
    group; a management scope stands for the group's members; the application gets its roles in that
    scope alone. Nothing is granted in Entra ID, and nothing must be: a permission that is granted
    there as well counts for every mailbox of the tenant, and brings the mailbox-permission check back.

    Run it as often as you like: what is there stays, what is missing is made, and mailboxes are added.
    Changes take 30 minutes to 2 hours; Test-MailroomAccess.ps1 does not wait for that.
.PARAMETER AppId
    Client id of the app registration (output MAILROOM_CLIENT_ID of the deployment).
.PARAMETER ServicePrincipalId
    Object id of the ENTERPRISE APPLICATION (output MAILROOM_SERVICE_PRINCIPAL_ID), not the app
    registration's: az ad sp show --id <AppId> --query id
.PARAMETER Mailbox
    The mailboxes that Mailroom signs in as, and those of other From addresses that they send for.
.PARAMETER ReturnedMail
    Read: bounces and complaints are read over Graph (MAILROOM_RETURNED_MAIL=graph). ReadWrite: and put
    away (MAILROOM_RETURNED_DISPOSAL read or move). None: they are not read.
.EXAMPLE
    ./Grant-MailroomRbac.ps1 -AppId $env:MAILROOM_CLIENT_ID -ServicePrincipalId $env:MAILROOM_SERVICE_PRINCIPAL_ID -Mailbox billing@contoso.com -WhatIf
.LINK
    https://learn.microsoft.com/exchange/permissions-exo/application-rbac
#>
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium')]
param(
    [Parameter(Mandatory)] [guid] $AppId,
    [Parameter(Mandatory)] [guid] $ServicePrincipalId,
    [Parameter(Mandatory)] [ValidateNotNullOrEmpty()] [string[]] $Mailbox,
    [ValidateSet('None', 'Read', 'ReadWrite')] [string] $ReturnedMail = 'Read',
    [ValidateLength(1, 40)] [string] $Name = 'Mailroom'
)

. (Join-Path $PSScriptRoot 'ServicePrincipal.ps1')
Assert-ExchangeConnection

$groupName = "$Name mailboxes"
$scopeName = "$Name mailboxes"
$roles = @('Application SMTP.SendAsApp')
switch ($ReturnedMail) {
    'Read' { $roles += 'Application Mail.Read' }
    'ReadWrite' { $roles += 'Application Mail.ReadWrite' }
}

# 1. The application.
$null = Initialize-ServicePrincipal -AppId $AppId -ServicePrincipalId $ServicePrincipalId -DisplayName $Name

# 2. The group of mailboxes. Nobody can mail it, and the address book does not show it.
$group = Get-DistributionGroup -Identity $groupName -ErrorAction SilentlyContinue
if (-not $group -and $PSCmdlet.ShouldProcess($groupName, 'New-DistributionGroup -Type Security')) {
    $group = New-DistributionGroup -Name $groupName -Type Security -MemberJoinRestriction Closed -MemberDepartRestriction Closed
    Set-DistributionGroup -Identity $group.Identity -HiddenFromAddressListsEnabled $true -RequireSenderAuthenticationEnabled $true
}
$members = @()
if ($group) {
    $members = @(Get-DistributionGroupMember -Identity $group.Identity -ResultSize Unlimited | ForEach-Object { "$($_.PrimarySmtpAddress)" })
}
foreach ($address in $Mailbox) {
    $primary = "$((Get-EXOMailbox -Identity $address).PrimarySmtpAddress)"
    # Members of groups inside the group are not in the scope: mailboxes stand in it themselves.
    if ($members -notcontains $primary -and $PSCmdlet.ShouldProcess($primary, "Add-DistributionGroupMember of '$groupName'")) {
        Add-DistributionGroupMember -Identity $group.Identity -Member $primary
    }
}

# 3. The scope: the members of that group.
$scope = Get-ManagementScope -Identity $scopeName -ErrorAction SilentlyContinue
if (-not $scope -and $PSCmdlet.ShouldProcess($scopeName, 'New-ManagementScope')) {
    $scope = New-ManagementScope -Name $scopeName -RecipientRestrictionFilter "MemberOfGroup -eq '$($group.DistinguishedName)'"
}

# 4. The roles, in that scope.
foreach ($role in $roles) {
    $assignment = "$Name $($role -replace '^Application ', '')"
    if (Get-ManagementRoleAssignment -Identity $assignment -ErrorAction SilentlyContinue) {
        Write-Verbose "The role assignment '$assignment' is there."
    }
    elseif ($PSCmdlet.ShouldProcess($assignment, "New-ManagementRoleAssignment -Role '$role'")) {
        $null = New-ManagementRoleAssignment -Name $assignment -Role $role -App $ServicePrincipalId -CustomResourceScope $scopeName
    }
}

# 5. A role that reads and one that reads and writes are one too many.
$superfluous = switch ($ReturnedMail) {
    'None' { 'Mail.Read', 'Mail.ReadWrite' }
    'Read' { 'Mail.ReadWrite' }
    'ReadWrite' { 'Mail.Read' }
}
foreach ($permission in $superfluous) {
    $assignment = "$Name $permission"
    if ((Get-ManagementRoleAssignment -Identity $assignment -ErrorAction SilentlyContinue) -and
        $PSCmdlet.ShouldProcess($assignment, 'Remove-ManagementRoleAssignment')) {
        Remove-ManagementRoleAssignment -Identity $assignment -Confirm:$false
    }
}

Write-Information 'Next: Set-MailroomMailbox.ps1 for each mailbox, then Test-MailroomAccess.ps1.' -InformationAction Continue
