<#
.SYNOPSIS
    Takes back what the other scripts have granted.
.DESCRIPTION
    Mailboxes and their mail stay. Authenticated SMTP of the mailboxes is switched off only if you ask
    for it (-DisableSmtpAuth): something else may use it.
.PARAMETER Way
    Rbac: role assignments, scope and group. Mailbox: FullAccess of the mailboxes named. Both: both,
    and Exchange Online forgets the application.
.PARAMETER Mailbox
    For Mailbox and Both: the mailboxes; also for -SendAs and -DisableSmtpAuth.
.PARAMETER SendAs
    From addresses that these mailboxes and the application may no longer send as.
.EXAMPLE
    ./Remove-MailroomAccess.ps1 -AppId … -ServicePrincipalId … -Way Both -Mailbox billing@contoso.com -WhatIf
#>
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory)] [guid] $AppId,
    [Parameter(Mandatory)] [guid] $ServicePrincipalId,
    [Parameter(Mandatory)] [ValidateSet('Rbac', 'Mailbox', 'Both')] [string] $Way,
    [string[]] $Mailbox = @(),
    [string[]] $SendAs = @(),
    [switch] $DisableSmtpAuth,
    [ValidateLength(1, 40)] [string] $Name = 'Mailroom'
)

. (Join-Path $PSScriptRoot 'ServicePrincipal.ps1')
Assert-ExchangeConnection

if ($Way -in 'Rbac', 'Both') {
    # Assignments before the scope that they use, and the scope before its group.
    foreach ($permission in 'SMTP.SendAsApp', 'Mail.Read', 'Mail.ReadWrite') {
        $assignment = "$Name $permission"
        if ((Get-ManagementRoleAssignment -Identity $assignment -ErrorAction SilentlyContinue) -and
            $PSCmdlet.ShouldProcess($assignment, 'Remove-ManagementRoleAssignment')) {
            Remove-ManagementRoleAssignment -Identity $assignment -Confirm:$false
        }
    }
    if ((Get-ManagementScope -Identity "$Name mailboxes" -ErrorAction SilentlyContinue) -and
        $PSCmdlet.ShouldProcess("$Name mailboxes", 'Remove-ManagementScope')) {
        Remove-ManagementScope -Identity "$Name mailboxes" -Confirm:$false
    }
    if ((Get-DistributionGroup -Identity "$Name mailboxes" -ErrorAction SilentlyContinue) -and
        $PSCmdlet.ShouldProcess("$Name mailboxes", 'Remove-DistributionGroup')) {
        Remove-DistributionGroup -Identity "$Name mailboxes" -Confirm:$false
    }
}

foreach ($address in $Mailbox) {
    if ($Way -in 'Mailbox', 'Both') {
        $granted = Get-MailboxPermission -Identity $address -User "$ServicePrincipalId" -ErrorAction SilentlyContinue
        if ($granted -and $PSCmdlet.ShouldProcess($address, 'Remove-MailboxPermission FullAccess')) {
            Remove-MailboxPermission -Identity $address -User "$ServicePrincipalId" -AccessRights FullAccess -Confirm:$false
        }
    }
    if ($DisableSmtpAuth -and $PSCmdlet.ShouldProcess($address, 'Set-CASMailbox -SmtpClientAuthenticationDisabled $true')) {
        Set-CASMailbox -Identity $address -SmtpClientAuthenticationDisabled $true
    }
}

foreach ($from in $SendAs) {
    foreach ($trustee in @($Mailbox) + "$ServicePrincipalId") {
        if ((Get-RecipientPermission -Identity $from -Trustee $trustee -ErrorAction SilentlyContinue) -and
            $PSCmdlet.ShouldProcess($from, "Remove-RecipientPermission SendAs of $trustee")) {
            Remove-RecipientPermission -Identity $from -Trustee $trustee -AccessRights SendAs -Confirm:$false
        }
    }
}

if ($Way -eq 'Both' -and (Get-ServicePrincipal | Where-Object { $_.AppId -eq "$AppId" }) -and
    $PSCmdlet.ShouldProcess("application $AppId", 'Remove-ServicePrincipal')) {
    Remove-ServicePrincipal -Identity "$ServicePrincipalId" -Confirm:$false
}
